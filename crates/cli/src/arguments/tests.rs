use clap::CommandFactory;
use clap::error::ErrorKind;

use super::*;

#[test]
fn the_command_line_is_well_formed() {
    Arguments::command().debug_assert();
}

#[test]
fn refuses_values_that_make_no_sense() {
    for (line, kind) in [
        (
            "bm-cloud bisync --watch --interval soon",
            ErrorKind::ValueValidation,
        ),
        (
            "bm-cloud conflicts resolve ID",
            ErrorKind::MissingRequiredArgument,
        ),
        (
            "bm-cloud conflicts resolve ID --keep mine --merge",
            ErrorKind::ArgumentConflict,
        ),
        (
            "bm-cloud conflicts resolve --keep mine",
            ErrorKind::MissingRequiredArgument,
        ),
        (
            "bm-cloud conflicts resolve --all --keep mine --seen 0cc175b9,deleted",
            ErrorKind::ArgumentConflict,
        ),
        (
            "bm-cloud conflicts resolve ID --keep mine --seen 0cc175b9",
            ErrorKind::ValueValidation,
        ),
        ("bm-cloud setup --profile quick", ErrorKind::InvalidValue),
        ("bm-cloud bisync --force", ErrorKind::UnknownArgument),
        (
            "bm-cloud settings --upload-limit fast",
            ErrorKind::ValueValidation,
        ),
        ("bm-cloud filters set", ErrorKind::MissingRequiredArgument),
    ] {
        let error = Arguments::try_parse_from(line.split(' ')).unwrap_err();
        assert_eq!(error.kind(), kind, "{line}");
    }
}
