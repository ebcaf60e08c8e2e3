//! Whether this computer runs on its battery, as the kernel's `power_supply` class tells.

use std::fs;
use std::path::Path;

/// Where Linux tells of batteries.
pub(crate) const SUPPLIES: &str = "/sys/class/power_supply";

/// Where the power comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    /// Also where nothing is known: no computer may stop syncing for want of a battery.
    Mains,
    Battery,
}

/// Reads [`SUPPLIES`], or a folder like it. On battery is a computer of which a
/// battery of its own discharges while no mains supply is on line.
pub(crate) fn read(supplies: &Path) -> Power {
    let Ok(entries) = fs::read_dir(supplies) else {
        return Power::Mains;
    };
    let word = |supply: &Path, name: &str| {
        let text = fs::read_to_string(supply.join(name)).unwrap_or_default();
        text.trim().to_owned()
    };
    let mut discharging = false;
    for entry in entries.flatten() {
        let supply = entry.path();
        match word(&supply, "type").as_str() {
            "Mains" | "USB" if word(&supply, "online") == "1" => return Power::Mains,
            // The batteries of mice and keyboards have the scope `Device`.
            "Battery" if word(&supply, "scope") != "Device" => {
                discharging |= word(&supply, "status") == "Discharging";
            }
            _ => {}
        }
    }
    if discharging {
        Power::Battery
    } else {
        Power::Mains
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supply(root: &Path, name: &str, words: &[(&str, &str)]) {
        let folder = root.join(name);
        fs::create_dir_all(&folder).unwrap();
        for (file, word) in words {
            crate::settings::replace_file(&folder.join(file), format!("{word}\n").as_bytes())
                .unwrap();
        }
    }

    #[test]
    fn only_a_discharging_battery_of_its_own_counts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(read(&root.join("nothing")), Power::Mains);
        supply(
            root,
            "mouse",
            &[
                ("type", "Battery"),
                ("scope", "Device"),
                ("status", "Discharging"),
            ],
        );
        assert_eq!(read(root), Power::Mains);
        supply(
            root,
            "BAT0",
            &[("type", "Battery"), ("status", "Discharging")],
        );
        supply(root, "AC", &[("type", "Mains"), ("online", "0")]);
        assert_eq!(read(root), Power::Battery);
        supply(root, "AC", &[("online", "1")]);
        assert_eq!(read(root), Power::Mains);
    }
}
