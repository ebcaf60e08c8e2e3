//! What people saved, and what of it a person has replaced since. Sync never replaces anything in
//! the sense of this page.

/// A set of versions, by number.
pub(crate) type Versions = u128;

/// The number of the empty file, which proves nothing and is not judged.
pub(crate) const EMPTY: u32 = 0;

#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) md5: String,
    pub(crate) size: u64,
    /// The devices on which a person saved it, one bit each.
    pub(crate) savers: u8,
    /// The devices on which a person replaced or deleted it.
    pub(crate) superseded: u8,
    /// A power cut took it before it was durable anywhere.
    pub(crate) unsettled: bool,
    /// The devices that lost it in a power cut, while the bucket had it.
    pub(crate) cut: u8,
    /// One person replaced it and another saved it again: which came later only they know.
    pub(crate) disputed: bool,
    /// Where people put it.
    pub(crate) paths: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Oracle {
    versions: Vec<Version>,
}

impl Oracle {
    pub(crate) fn new() -> Self {
        let mut oracle = Self { versions: vec![] };
        oracle.invent(0);
        oracle
    }

    /// A text that nobody wrote before. Sizes repeat, as they do in life.
    pub(crate) fn invent(&mut self, size: u64) -> u32 {
        let number = self.versions.len();
        self.versions.push(Version {
            md5: format!("c{number}"),
            size,
            savers: 0,
            superseded: 0,
            unsettled: false,
            disputed: false,
            cut: 0,
            paths: vec![],
        });
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.versions.len() < 120
    }

    pub(crate) fn get(&self, version: u32) -> &Version {
        &self.versions[version as usize]
    }

    pub(crate) fn md5(&self, version: u32) -> &str {
        &self.get(version).md5
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, &Version)> {
        (0_u32..).zip(&self.versions).skip(1)
    }

    /// A person saves: the version counts again on this device, whatever became of it before.
    pub(crate) fn saved(&mut self, device: usize, path: &str, version: u32, replaced: Option<u32>) {
        if let Some(replaced) = replaced.filter(|replaced| *replaced != version) {
            self.superseded(device, replaced);
        }
        let saved = &mut self.versions[version as usize];
        if replaced == Some(version) {
            return;
        }
        saved.savers |= bit(device);
        saved.superseded &= !bit(device);
        saved.disputed |= saved.superseded != 0;
        saved.unsettled = false;
        if !saved.paths.iter().any(|known| known == path) {
            saved.paths.push(path.to_owned());
        }
    }

    pub(crate) fn superseded(&mut self, device: usize, version: u32) {
        self.versions[version as usize].superseded |= bit(device);
    }

    pub(crate) fn was_cut(&mut self, device: usize, version: u32) {
        self.versions[version as usize].cut |= bit(device);
    }

    pub(crate) fn disputed(&mut self, version: u32) {
        self.versions[version as usize].disputed = true;
    }

    /// A power cut brought it back: what replaced it never was.
    pub(crate) fn revived(&mut self, device: usize, version: u32) {
        self.versions[version as usize].superseded &= !bit(device);
    }

    pub(crate) fn was_unsettled(&mut self, device: usize, version: u32) {
        let version = &mut self.versions[version as usize];
        version.savers &= !bit(device);
        version.unsettled |= version.savers == 0;
    }
}

pub(crate) fn bit(device: usize) -> u8 {
    1 << device
}

pub(crate) fn one(version: u32) -> Versions {
    1 << version
}

/// The version that an MD5 of the model stands for.
pub(crate) fn version_of(md5: &str) -> u32 {
    md5.strip_prefix('c')
        .and_then(|number| number.parse().ok())
        .unwrap_or(EMPTY)
}
