use engine::view::Status;
use tauri::image::Image;

use super::panel::Panel;

/// How large the picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(target_os = "linux", test)),
    expect(dead_code, reason = "elsewhere the system scales the large one")
)]
pub(crate) enum Size {
    /// 16 pixels wide.
    Small,
    /// 22 pixels wide.
    Normal,
    /// 44 pixels wide.
    Large,
}

macro_rules! sized {
    ($size:expr, $ink:literal, $name:literal) => {
        match $size {
            Size::Small => {
                include_bytes!(concat!("../../icons/tray/", $ink, "/", $name, "-16.png")).as_slice()
            }
            Size::Normal => {
                include_bytes!(concat!("../../icons/tray/", $ink, "/", $name, ".png")).as_slice()
            }
            Size::Large => {
                include_bytes!(concat!("../../icons/tray/", $ink, "/", $name, "@2x.png")).as_slice()
            }
        }
    };
}

/// Makes the match from status to picture, so that a missing file fails the build.
macro_rules! pictures {
    ($($status:ident => $name:literal),+ $(,)?) => {
        fn bytes(status: Status, panel: Panel, size: Size) -> &'static [u8] {
            match (status, panel) {
                $(
                    (Status::$status, Panel::Dark) => sized!(size, "light", $name),
                    (Status::$status, Panel::Light) => sized!(size, "dark", $name),
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

pub(crate) fn icon(status: Status, panel: Panel, size: Size) -> tauri::Result<Image<'static>> {
    Image::from_bytes(bytes(status, panel, size))
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
        let sizes = [(Size::Small, 16), (Size::Normal, 22), (Size::Large, 44)];
        for (panel, (size, wide)) in [Panel::Dark, Panel::Light]
            .into_iter()
            .flat_map(|panel| sizes.map(|size| (panel, size)))
        {
            let pictures: Vec<Vec<u8>> = all
                .into_iter()
                .map(|status| {
                    let picture = icon(status, panel, size).unwrap();
                    assert_eq!((picture.width(), picture.height()), (wide, wide));
                    picture.rgba().to_vec()
                })
                .collect();
            for (index, picture) in pictures.iter().enumerate() {
                assert!(!pictures[..index].contains(picture), "{:?}", all[index]);
            }
        }
    }
}
