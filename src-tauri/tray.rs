mod apply;
mod icon;
mod menu;

pub(crate) use apply::Tray;
