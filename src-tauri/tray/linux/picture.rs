use engine::view::Status;

use crate::tray::icon::{Size, icon};
use crate::tray::panel::Panel;

/// Width, height, and pixels of four bytes each: alpha, red, green, blue.
pub(super) type Picture = (i32, i32, Vec<u8>);

/// The icon in every size there is, so that a panel need not scale it.
pub(super) fn pictures(status: Status, panel: Panel) -> Vec<Picture> {
    let sizes = [Size::Small, Size::Normal, Size::Large].into_iter();
    let drawn = sizes.filter_map(|size| match icon(status, panel, size) {
        Ok(image) => Some((
            i32::try_from(image.width()).ok()?,
            i32::try_from(image.height()).ok()?,
            alpha_first(image.rgba()),
        )),
        Err(error) => {
            tracing::warn!(%error, "a picture of the tray icon cannot be read");
            None
        }
    });
    drawn.collect()
}

fn alpha_first(rgba: &[u8]) -> Vec<u8> {
    let mut pixels = rgba.to_vec();
    for pixel in pixels.chunks_exact_mut(4) {
        pixel.rotate_right(1);
    }
    pixels
}
