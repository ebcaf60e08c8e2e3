//! A tenant's notes as `WebDAV`, as far as published clients use it.
//!
//! Projects go by the names that people gave them; in the bucket each is a folder. Which folder
//! that is, and which object an address means, are decided here by functions over text.

mod multistatus;
mod place;
mod project;

pub(crate) use multistatus::{Depth, Multistatus, http_date, parse_depth};
pub(crate) use place::{Place, PlaceFault};
