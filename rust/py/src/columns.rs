//! Columns: the one place where core vectors become Python values.
//!
//! Numbers go over as `NumPy` arrays without a copy; words as lists of strings; a list per row as
//! offsets and values. A missing number is -1, a missing word "".

use cm_core::csr::Csr;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::error::argument;

/// A dict of columns under construction.
pub(crate) struct Columns<'py> {
    py: Python<'py>,
    dict: Bound<'py, PyDict>,
}

impl<'py> Columns<'py> {
    pub(crate) fn new(py: Python<'py>) -> Self {
        Self {
            py,
            dict: PyDict::new(py),
        }
    }

    pub(crate) fn ints(self, name: &str, values: impl IntoIterator<Item = i64>) -> PyResult<Self> {
        let values: Vec<i64> = values.into_iter().collect();
        self.dict.set_item(name, values.into_pyarray(self.py))?;
        Ok(self)
    }

    pub(crate) fn floats(self, name: &str, values: Vec<f64>) -> PyResult<Self> {
        self.dict.set_item(name, values.into_pyarray(self.py))?;
        Ok(self)
    }

    pub(crate) fn bools(self, name: &str, values: Vec<bool>) -> PyResult<Self> {
        self.dict.set_item(name, values.into_pyarray(self.py))?;
        Ok(self)
    }

    pub(crate) fn words<S: AsRef<str>>(
        self,
        name: &str,
        values: impl IntoIterator<Item = S>,
    ) -> PyResult<Self> {
        let list = PyList::empty(self.py);
        for value in values {
            list.append(value.as_ref())?;
        }
        self.dict.set_item(name, list)?;
        Ok(self)
    }

    pub(crate) fn lists(self, name: &str, rows: &Csr<u32>) -> PyResult<Self> {
        let (start, items) = rows.parts();
        let offsets: Vec<i64> = start.iter().map(|&x| i64::from(x)).collect();
        let values: Vec<i64> = items.iter().map(|&x| i64::from(x)).collect();
        self.dict
            .set_item(format!("{name}_offsets"), offsets.into_pyarray(self.py))?;
        self.dict
            .set_item(format!("{name}_values"), values.into_pyarray(self.py))?;
        Ok(self)
    }

    pub(crate) fn done(self) -> Bound<'py, PyDict> {
        self.dict
    }
}

/// -1 for a missing value.
pub(crate) fn or_minus_one<T: Into<i64>>(value: Option<T>) -> i64 {
    value.map_or(-1, Into::into)
}

/// A required column of strings.
pub(crate) fn take_words(columns: &Bound<'_, PyDict>, name: &str) -> PyResult<Vec<String>> {
    require(columns, name)?
        .extract()
        .map_err(|_| argument(columns.py(), format!("column '{name}' must hold strings")))
}

/// A required column of integers.
pub(crate) fn take_ints(columns: &Bound<'_, PyDict>, name: &str) -> PyResult<Vec<i64>> {
    let array: PyReadonlyArray1<'_, i64> = require(columns, name)?.extract().map_err(|_| {
        argument(
            columns.py(),
            format!("column '{name}' must be an int64 array"),
        )
    })?;
    Ok(array.as_array().to_vec())
}

/// An optional column of integers.
pub(crate) fn take_ints_if(columns: &Bound<'_, PyDict>, name: &str) -> PyResult<Option<Vec<i64>>> {
    if columns.contains(name)? {
        take_ints(columns, name).map(Some)
    } else {
        Ok(None)
    }
}

/// The words that an optional column of numbers stands for.
pub(crate) fn take_words_if(
    columns: &Bound<'_, PyDict>,
    name: &str,
) -> PyResult<Option<Vec<String>>> {
    let name = format!("{name}_words");
    if columns.contains(&name)? {
        take_words(columns, &name).map(Some)
    } else {
        Ok(None)
    }
}

/// An optional column of lists of rows.
pub(crate) fn take_edges_if(columns: &Bound<'_, PyDict>, name: &str) -> PyResult<Option<Csr<u32>>> {
    let Some(offsets) = take_ints_if(columns, &format!("{name}_offsets"))? else {
        return Ok(None);
    };
    let values = to_unsigned(
        columns.py(),
        name,
        take_ints(columns, &format!("{name}_values"))?,
    )?;
    let mut edges = Csr::with_capacity(offsets.len(), values.len());
    for pair in offsets.windows(2) {
        let range = || Some(usize::try_from(pair[0]).ok()?..usize::try_from(pair[1]).ok()?);
        let row = range().and_then(|range| values.get(range)).ok_or_else(|| {
            let text = format!("column '{name}' has offsets outside its values");
            argument(columns.py(), text)
        })?;
        edges.push_row(row.iter().copied());
    }
    Ok(Some(edges))
}

/// Numbers of rows, ranks or chunks.
pub(crate) fn to_unsigned(py: Python<'_>, name: &str, values: Vec<i64>) -> PyResult<Vec<u32>> {
    let narrow = |(row, value): (usize, i64)| {
        u32::try_from(value).map_err(|_| {
            argument(
                py,
                format!("column '{name}' row {row} must be in 0..2^32, got {value}"),
            )
        })
    };
    values.into_iter().enumerate().map(narrow).collect()
}

fn require<'py>(columns: &Bound<'py, PyDict>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    columns
        .get_item(name)?
        .ok_or_else(|| argument(columns.py(), format!("column '{name}' is missing")))
}

/// A copy of a vector, taken before the GIL is released: its owner may write to it meanwhile.
pub(crate) fn snapshot(array: &PyReadonlyArray1<'_, i64>) -> Vec<i64> {
    array.as_array().to_vec()
}

/// A copy of a square matrix of counts, row major.
pub(crate) fn snapshot_counts(
    py: Python<'_>,
    counts: &PyReadonlyArray2<'_, i64>,
) -> PyResult<Vec<u64>> {
    counts
        .as_array()
        .iter()
        .map(|&count| {
            u64::try_from(count)
                .map_err(|_| argument(py, format!("counts must be at least 0 bytes, got {count}")))
        })
        .collect()
}

/// A vector as an array of numbers.
pub(crate) fn to_array<T: numpy::Element>(
    py: Python<'_>,
    values: Vec<T>,
) -> Bound<'_, PyArray1<T>> {
    values.into_pyarray(py)
}
