//! The engine's hints are for the window too; here they become commands.

/// What to do about a refusal or failure with this code, as a command where there is one.
pub(crate) fn hint(code: &str, told: Option<String>) -> Option<String> {
    let command = match code {
        "signed_out" | "refused" => "Run `bm-cloud login`.",
        "not_set_up" => "Run `bm-cloud setup --folder PATH`.",
        "nothing_to_undo" => "`bm-cloud history` lists what sync ever did.",
        "no_such_way" => "`bm-cloud rclone ways` shows what this machine has.",
        "no_repair" => "`bm-cloud doctor` names the repairs there are.",
        "rclone" => "Run `bm-cloud setup`; the app keeps a copy of its own.",
        "filters" => "Mend the line: run `bm-cloud filters edit`.",
        "TooManyDeletes" => {
            let whole = "The whole list: `bm-cloud bisync --dry-run`.";
            return told.map(|told| format!("{told} {whole}"));
        }
        _ if told
            .as_ref()
            .is_some_and(|told| told.contains("Diagnostics")) =>
        {
            "Run `bm-cloud doctor`; it looks for the cause."
        }
        _ => return told,
    };
    Some(command.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_a_command_where_there_is_one() {
        let said = |code: &str, told: &str| hint(code, Some(told.to_owned())).unwrap();
        assert_eq!(said("signed_out", "Sign in."), "Run `bm-cloud login`.");
        assert_eq!(said("DiskFull", "Free some space."), "Free some space.");
        assert!(said("disk", "A check-up in Diagnostics.").contains("bm-cloud doctor"));
        assert_eq!(hint("disk", None), None);
    }
}
