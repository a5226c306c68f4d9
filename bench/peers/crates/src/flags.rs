use crate::Failure;
use std::collections::HashMap;

/// Command-line flags of the form `--name value`.
pub struct Flags(HashMap<String, String>);

impl Flags {
    pub fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut flags = HashMap::new();
        while let Some(name) = arguments.next() {
            let name = name.strip_prefix("--").ok_or(format!("expected --name, got {name}"))?.to_string();
            let value = arguments.next().ok_or(format!("--{name} has no value"))?;
            flags.insert(name, value);
        }
        Ok(Self(flags))
    }

    pub fn text(&self, name: &str, otherwise: &str) -> String {
        self.0.get(name).map_or(otherwise, String::as_str).to_string()
    }

    pub fn number(&self, name: &str, otherwise: usize) -> Result<usize, Failure> {
        self.0.get(name).map_or(Ok(otherwise), |text| Ok(text.parse()?))
    }

    /// Hexadecimal.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, Failure> {
        parse_hex(&self.text(name, ""))
    }
}

pub fn parse_hex(text: &str) -> Result<Vec<u8>, Failure> {
    (0..text.len())
        .step_by(2)
        .map(|at| Ok(u8::from_str_radix(text.get(at..at + 2).ok_or("half a byte")?, 16)?))
        .collect()
}
