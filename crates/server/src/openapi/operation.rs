//! What is said about one route.

use serde_json::{Value, json};

/// One method of one path, as the route table has it.
pub(super) struct Operation {
    pub(super) method: &'static str,
    /// The path of the route table.
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    pub(super) answers: Vec<Answer>,
    /// Statuses of refusals beyond those that the policy brings.
    pub(super) refusals: Vec<u16>,
}

pub(super) struct Answer {
    /// A status, or `default`.
    pub(super) status: &'static str,
    pub(super) description: &'static str,
    /// Content type and schema.
    pub(super) content: Option<(&'static str, Value)>,
}

pub(super) const JSON: &str = "application/json";

impl Operation {
    pub(super) fn new(
        method: &'static str,
        path: &'static str,
        id: &'static str,
        tag: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            method,
            path,
            id,
            tag,
            summary,
            description: "",
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            refusals: Vec::new(),
        }
    }

    pub(super) fn says(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    pub(super) fn takes(mut self, content_type: &'static str, schema: &Value) -> Self {
        self.body = Some(json!({
            "required": true,
            "content": { content_type: { "schema": schema } },
        }));
        self
    }

    pub(super) fn in_path(
        self,
        name: &'static str,
        description: &'static str,
        schema: &Value,
    ) -> Self {
        let parameter = json!({
            "name": name, "in": "path", "required": true,
            "description": description, "schema": schema,
        });
        self.with(parameter)
    }

    pub(super) fn in_query(
        self,
        name: &'static str,
        description: &'static str,
        schema: &Value,
    ) -> Self {
        let parameter = json!({
            "name": name, "in": "query", "required": false,
            "description": description, "schema": schema,
        });
        self.with(parameter)
    }

    pub(super) fn in_header(
        self,
        name: &'static str,
        description: &'static str,
        schema: &Value,
    ) -> Self {
        let parameter = json!({
            "name": name, "in": "header", "required": false,
            "description": description, "schema": schema,
        });
        self.with(parameter)
    }

    pub(super) fn answers(
        mut self,
        status: &'static str,
        description: &'static str,
        content_type: &'static str,
        schema: Value,
    ) -> Self {
        self.answers.push(Answer {
            status,
            description,
            content: Some((content_type, schema)),
        });
        self
    }

    pub(super) fn answers_nothing(
        mut self,
        status: &'static str,
        description: &'static str,
    ) -> Self {
        self.answers.push(Answer {
            status,
            description,
            content: None,
        });
        self
    }

    pub(super) fn refuses(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend_from_slice(statuses);
        self
    }

    fn with(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }
}
