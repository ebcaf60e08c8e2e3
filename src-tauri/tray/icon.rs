use engine::view::Status;
use tauri::image::Image;

use super::panel::Panel;

/// Makes the match from status to picture, so that a missing file fails the build.
macro_rules! pictures {
    ($($status:ident => $name:literal),+ $(,)?) => {
        fn bytes(status: Status, panel: Panel) -> &'static [u8] {
            match (status, panel) {
                $(
                    (Status::$status, Panel::Dark) => {
                        include_bytes!(concat!("../../icons/tray/light/", $name, "@2x.png"))
                    }
                    (Status::$status, Panel::Light) => {
                        include_bytes!(concat!("../../icons/tray/dark/", $name, "@2x.png"))
                    }
                )+
            }
        }
    };
}

pictures! {
    SignedOut => "signedOut",
    Expired => "expired",
    Error => "error",
    Attention => "attention",
    Paused => "paused",
    Offline => "offline",
    Syncing => "syncing",
    Starting => "starting",
    Idle => "idle",
}

pub(crate) fn icon(status: Status, panel: Panel) -> tauri::Result<Image<'static>> {
    Image::from_bytes(bytes(status, panel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_picture_of_its_own() {
        let all = [
            Status::SignedOut,
            Status::Expired,
            Status::Error,
            Status::Attention,
            Status::Paused,
            Status::Offline,
            Status::Syncing,
            Status::Starting,
            Status::Idle,
        ];
        for panel in [Panel::Dark, Panel::Light] {
            let pictures: Vec<Vec<u8>> = all
                .into_iter()
                .map(|status| icon(status, panel).unwrap().rgba().to_vec())
                .collect();
            for (index, picture) in pictures.iter().enumerate() {
                assert!(!pictures[..index].contains(picture), "{:?}", all[index]);
            }
        }
    }
}
