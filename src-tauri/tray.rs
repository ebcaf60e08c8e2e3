mod apply;
mod icon;
mod menu;
mod panel;

pub(crate) use apply::{Tray, start_at_login};
pub(crate) use menu::StartAtLogin;
pub use panel::Looks;
