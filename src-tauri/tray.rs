mod apply;
mod icon;
mod menu;
mod panel;

pub(crate) use apply::Tray;
pub use panel::Looks;
