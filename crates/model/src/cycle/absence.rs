//! What the listing leaves out is asked for before it counts as deleted.

use super::{Cycle, Failure};
use crate::mutant::Mutant;
use crate::world::{Invariant, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    Whole,
    Revised,
}

impl World {
    pub(super) fn prove_absence(
        &mut self,
        who: usize,
        cycle: &mut Cycle,
    ) -> Result<Proof, Failure> {
        let mut proof = Proof::Whole;
        if self.mutant != Some(Mutant::TrustedListing) {
            for path in cycle.planned.deleted_in_cloud() {
                let found = self.head(who, &path).map_err(|_| Failure::Stopped)?;
                if let Some(object) = found {
                    cycle.planned.found_in_cloud(&object, &cycle.memory);
                    cycle.snapshot.insert(path, object);
                    proof = Proof::Revised;
                }
            }
        }
        self.judge_absence(cycle);
        Ok(proof)
    }

    /// I10: what is to be removed here is not there at this moment.
    fn judge_absence(&mut self, cycle: &Cycle) {
        let mut taken = cycle.planned.deleted_in_cloud().into_iter();
        if let Some(path) = taken.find(|path| self.cloud.objects.contains_key(path)) {
            self.breaks(Invariant::I10, || {
                format!("{path} is in the bucket and counts as deleted there")
            });
        }
    }
}
