/// An obstacle on one path, which stops that path and nothing else; or a remark, which stops nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PathProblem {
    /// `/`-separated, relative to the vault; lossy where the name is no UTF-8.
    pub path: String,
    pub code: ProblemCode,
    /// What happened, for a person.
    pub message: String,
}

impl PathProblem {
    pub(crate) fn new(path: &str, code: ProblemCode) -> Self {
        Self {
            path: path.to_owned(),
            code,
            message: code.explanation().to_owned(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ProblemCode {
    NameNotUtf8,
    NameNotPortable,
    NameTooLong,
    NameTwins,
    Unreadable,
    DamagedInCloud,
    OtherFileSystem,
    LinkInPath,
    NotAFile,
    ParentIsAFile,
    InUse,
    NotPermitted,
    /// A remark: the path syncs from here.
    NameNotEverywhere,
}

impl ProblemCode {
    /// The stable code of the problem in views and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NameNotUtf8 => "name_not_utf8",
            Self::NameNotPortable => "name_not_portable",
            Self::NameTooLong => "name_too_long",
            Self::NameTwins => "name_twins",
            Self::Unreadable => "unreadable",
            Self::DamagedInCloud => "damaged_in_cloud",
            Self::OtherFileSystem => "other_file_system",
            Self::LinkInPath => "link_in_path",
            Self::NotAFile => "not_a_file",
            Self::ParentIsAFile => "parent_is_a_file",
            Self::InUse => "file_in_use",
            Self::NotPermitted => "not_permitted",
            Self::NameNotEverywhere => "name_not_everywhere",
        }
    }

    fn explanation(self) -> &'static str {
        match self {
            Self::NameNotUtf8 => "the name is not valid UTF-8; rename it to let it sync",
            Self::NameNotPortable => {
                "the name cannot be stored on this computer or in the cloud; rename it"
            }
            Self::NameTooLong => "the name or path is too long for the cloud; shorten it",
            Self::NameTwins => {
                "another name here differs only in case or accents; rename one of them"
            }
            Self::Unreadable => "it cannot be read; check its permissions",
            Self::DamagedInCloud => {
                "the cloud's version is damaged; save it again on the device that it came from"
            }
            Self::OtherFileSystem => "the folder is on another disk than the notes folder",
            Self::LinkInPath => "a link stands where a folder should be; links do not sync",
            Self::NotAFile => "something other than a file has this name",
            Self::ParentIsAFile => "a file stands where a folder should be",
            Self::InUse => "another program keeps the file open for writing",
            Self::NotPermitted => "the file or folder may not be changed; check its permissions",
            Self::NameNotEverywhere => {
                "Windows cannot hold this name; rename it if you use Windows too"
            }
        }
    }
}
