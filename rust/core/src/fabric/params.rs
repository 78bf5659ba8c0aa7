//! Parameters of presets: names, allowed values, defaults.

use std::collections::BTreeMap;
use std::fmt;

use super::error::FabricError;

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamValue {
    /// A whole number.
    Int(i64),
    /// A word.
    Text(String),
}

impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "'{value}'"),
        }
    }
}

/// The values a parameter may take, with its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// `low..=high`.
    Range {
        /// Least allowed.
        low: i64,
        /// Largest allowed.
        high: i64,
        /// The default.
        default: i64,
    },
    /// One of some words; the first is the default.
    OneOf(&'static [&'static str]),
}

impl Allowed {
    /// The default value.
    pub fn default_value(&self) -> ParamValue {
        match self {
            Self::Range { default, .. } => ParamValue::Int(*default),
            Self::OneOf(words) => ParamValue::Text(words[0].to_owned()),
        }
    }

    fn allows(&self, value: &ParamValue) -> bool {
        match (self, value) {
            (Self::Range { low, high, .. }, ParamValue::Int(v)) => low <= v && v <= high,
            (Self::OneOf(words), ParamValue::Text(v)) => words.contains(&v.as_str()),
            _ => false,
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { low, high, .. } => write!(f, "{low}..={high}"),
            Self::OneOf(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
                f.write_str(&quoted.join(", "))
            }
        }
    }
}

/// One parameter of a preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamSpec {
    /// Its name.
    pub name: &'static str,
    /// What it means, in one line.
    pub doc: &'static str,
    /// What it may be, and its default.
    pub allowed: Allowed,
}

impl ParamSpec {
    /// A whole number of `low..=high`.
    pub const fn int(
        name: &'static str,
        doc: &'static str,
        low: i64,
        high: i64,
        default: i64,
    ) -> Self {
        let allowed = Allowed::Range { low, high, default };
        Self { name, doc, allowed }
    }
}

/// Parameters by name, in name order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<String, ParamValue>);

impl Params {
    /// No parameters: every default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a parameter.
    pub fn set(&mut self, name: &str, value: ParamValue) {
        self.0.insert(name.to_owned(), value);
    }

    /// With a whole number set.
    #[must_use]
    pub fn with_int(mut self, name: &str, value: i64) -> Self {
        self.set(name, ParamValue::Int(value));
        self
    }

    /// With a word set.
    #[must_use]
    pub fn with_text(mut self, name: &str, value: &str) -> Self {
        self.set(name, ParamValue::Text(value.to_owned()));
        self
    }

    /// Name and value of each, in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ParamValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// All parameters of a preset, checked, with defaults filled in: equal questions become equal.
    pub fn resolved(&self, preset: &str, specs: &[ParamSpec]) -> Result<Self, FabricError> {
        for (name, value) in &self.0 {
            let spec = specs.iter().find(|spec| spec.name == name).ok_or_else(|| {
                let names: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
                FabricError::UnknownParam {
                    preset: preset.to_owned(),
                    name: name.clone(),
                    allowed: names.join(", "),
                }
            })?;
            if !spec.allowed.allows(value) {
                return Err(FabricError::BadParam {
                    preset: preset.to_owned(),
                    name: name.clone(),
                    value: value.clone(),
                    allowed: spec.allowed.to_string(),
                });
            }
        }
        let filled = specs.iter().map(|spec| {
            let given = self.0.get(spec.name).cloned();
            let value = given.unwrap_or_else(|| spec.allowed.default_value());
            (spec.name.to_owned(), value)
        });
        Ok(Self(filled.collect()))
    }

    /// A whole number of resolved parameters.
    ///
    /// # Panics
    /// If the preset has no such parameter or it is a word.
    pub fn int(&self, name: &str) -> i64 {
        match self.0.get(name) {
            Some(ParamValue::Int(value)) => *value,
            other => panic!("a resolved preset has the whole number '{name}', got {other:?}"),
        }
    }

    /// A word of resolved parameters.
    ///
    /// # Panics
    /// If the preset has no such parameter or it is a number.
    pub fn text(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(ParamValue::Text(value)) => value,
            other => panic!("a resolved preset has the word '{name}', got {other:?}"),
        }
    }
}
