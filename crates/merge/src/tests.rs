mod examples;
mod flaws;
mod properties;
