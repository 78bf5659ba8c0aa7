//! `RankLists`: the lists of ranks that a fabric was asked about, so that asking again is cheap.
//!
//! A list of hundreds of ranks is expensive as a key: it can change, so it has to be read each time.
//! It is read once in full. If the same list comes again with the same objects in it, which takes a
//! comparison of addresses, it is the same list of ranks; the objects are kept alive, so that none
//! of them can have made room for another. Only plain integers are taken: `True` is no rank.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList, PyTuple};
use rustc_hash::FxHashMap;

/// Lists kept by their ranks; at 4 bytes per rank, 2 MB of lists of 768.
const LISTS_MAX: usize = 512;

/// Lists kept by the objects in them; at 16 bytes per rank, 0.8 MB of lists of 768.
const RECENT_MAX: usize = 64;

/// The ranks of a list; equal to itself only, and hashed as such.
#[pyclass(frozen, name = "RankList", module = "cm_collectives._core")]
pub(crate) struct PyRankList {
    ranks: Box<[u32]>,
}

#[pymethods]
impl PyRankList {
    #[getter]
    fn ranks(&self) -> Vec<u32> {
        self.ranks.to_vec()
    }
}

/// A list or tuple as it was when it was read.
struct Recent {
    /// Where its items are, and what keeps them there.
    items: Vec<usize>,
    alive: Py<PyTuple>,
    known: Py<PyRankList>,
}

impl Recent {
    /// Whether these are the ranks that were read: the same tuple, or a list of the same objects.
    fn is(&self, ranks: &Bound<'_, PyAny>) -> bool {
        let Ok(list) = ranks.cast::<PyList>() else {
            return self.alive.is(ranks);
        };
        let addresses = list.iter().map(|item| item.as_ptr() as usize);
        list.len() == self.items.len() && addresses.eq(self.items.iter().copied())
    }
}

#[derive(Default)]
struct Lists {
    by_ranks: FxHashMap<Box<[u32]>, Py<PyRankList>>,
    /// By the address of the list or tuple.
    recent: FxHashMap<usize, Recent>,
}

/// All lists of ranks so far, within bounds.
#[pyclass(frozen, name = "RankLists", module = "cm_collectives._core")]
pub(crate) struct PyRankLists {
    // Never held while the GIL is not, so that no fork finds it locked.
    lists: Mutex<Lists>,
}

impl Lists {
    fn of_ranks(&mut self, py: Python<'_>, ranks: Box<[u32]>) -> PyResult<Py<PyRankList>> {
        if let Some(known) = self.by_ranks.get(&ranks) {
            return Ok(known.clone_ref(py));
        }
        let new = PyRankList {
            ranks: ranks.clone(),
        };
        let new = Py::new(py, new)?;
        if self.by_ranks.len() >= LISTS_MAX {
            self.by_ranks.clear();
        }
        self.by_ranks.insert(ranks, new.clone_ref(py));
        Ok(new)
    }
}

#[pymethods]
impl PyRankLists {
    #[new]
    fn new() -> Self {
        Self {
            lists: Mutex::default(),
        }
    }

    /// The one object for all lists and tuples of these ranks; none if an item is no plain integer.
    fn find(&self, py: Python<'_>, ranks: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyRankList>>> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let address = ranks.as_ptr() as usize;
        if let Some(recent) = lists.recent.get(&address)
            && recent.is(ranks)
        {
            return Ok(Some(recent.known.clone_ref(py)));
        }
        let alive = match ranks.cast::<PyList>() {
            Ok(list) => list.to_tuple(),
            Err(_) => ranks.cast::<PyTuple>()?.clone(),
        };
        let Some(read) = plain(&alive) else {
            return Ok(None);
        };
        let known = lists.of_ranks(py, read)?;
        if lists.recent.len() >= RECENT_MAX {
            lists.recent.clear();
        }
        let recent = Recent {
            items: alive.iter().map(|item| item.as_ptr() as usize).collect(),
            alive: alive.unbind(),
            known: known.clone_ref(py),
        };
        lists.recent.insert(address, recent);
        Ok(Some(known))
    }
}

/// The ranks of a tuple of plain integers.
fn plain(ranks: &Bound<'_, PyTuple>) -> Option<Box<[u32]>> {
    let rank = |item: Bound<'_, PyAny>| item.cast_exact::<PyInt>().ok()?.extract().ok();
    ranks.iter().map(rank).collect()
}
