//! Errors planted on purpose, around the real decisions. The model test is only worth something if
//! it finds every one.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// M1: an upload without a condition.
    BlindPut,
    /// M2: safe apply replaces without looking at what comes out.
    BlindApply,
    /// M3: a download is recorded before it is durable.
    NoFsync,
    /// M4: a local delete does not look at what it takes out.
    UnverifiedDelete,
    /// M5: a delete in the bucket without a condition.
    BlindDelete,
    /// M6: every copy of a conflict has the same name.
    FixedCopyName,
    /// M7: M1 in a bucket that keeps no versions.
    BlindPutUnversioned,
    /// M8: after a lost answer or a refusal, whatever is there is taken for one's own.
    TrustedAnswer,
    /// M9: the mirror of a run that was cut off is used again.
    TrustedMirror,
    /// M10: the lane uploads over whatever the bucket has now.
    LaneSkipsBaseline,
    /// M11: what is saved during a run is not looked at after it.
    DroppedGeneration,
    /// M12: the bucket's answers are remembered by size.
    StaleHeads,
    /// M13: entity tags of the last cycle are used in the next.
    LastingTags,
    /// The guard forgets the entity tag it knew and lets the write pass.
    ForgottenTag,
    /// What a person saved during a change stays in history.
    NoPutBack,
    /// What a change replaces is thrown away.
    NoHistory,
    /// The baseline is published before the vault has the change.
    EarlyPublish,
    /// Size and modification time alone tell a change.
    SizeAndTime,
    /// Many deletes pass without a question.
    NoBrake,
    /// Changes go up although the subscription lapsed.
    WritesWhileLapsed,
    /// What a crash leaves in the stage is swept away.
    SweptStage,
    /// What the listing leaves out is gone.
    TrustedListing,
}

impl Mutant {
    pub const ALL: [Self; 22] = [
        Self::BlindPut,
        Self::BlindApply,
        Self::NoFsync,
        Self::UnverifiedDelete,
        Self::BlindDelete,
        Self::FixedCopyName,
        Self::BlindPutUnversioned,
        Self::TrustedAnswer,
        Self::TrustedMirror,
        Self::LaneSkipsBaseline,
        Self::DroppedGeneration,
        Self::StaleHeads,
        Self::LastingTags,
        Self::ForgottenTag,
        Self::NoPutBack,
        Self::NoHistory,
        Self::EarlyPublish,
        Self::SizeAndTime,
        Self::NoBrake,
        Self::WritesWhileLapsed,
        Self::SweptStage,
        Self::TrustedListing,
    ];
}
