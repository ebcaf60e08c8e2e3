//! The components that operations refer to.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

/// Collects every schema that is referred to, by name.
#[derive(Default)]
pub(super) struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// A reference to the type's schema, which is kept with all it refers to.
    pub(super) fn of<T: ToSchema>(&mut self) -> Value {
        let mut found: Vec<(String, RefOr<Schema>)> = Vec::new();
        T::schemas(&mut found);
        found.push((T::name().into_owned(), T::schema()));
        for (name, schema) in found {
            let schema = serde_json::to_value(schema).unwrap_or_default();
            self.0.insert(name, schema);
        }
        json!({ "$ref": format!("#/components/schemas/{}", T::name()) })
    }

    pub(super) fn list_of<T: ToSchema>(&mut self) -> Value {
        json!({ "type": "array", "items": self.of::<T>() })
    }

    pub(super) fn into_components(self) -> Value {
        self.0.into_iter().collect::<serde_json::Map<_, _>>().into()
    }
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}
