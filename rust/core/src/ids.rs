//! Index newtypes: a rank is not a node, a link is not a resource.
//!
//! Every id is a dense `u32` index into the arrays of its owner, so it is `Copy`, cheap to store a
//! million times, and cannot be mixed up with an id of another kind.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The id as an index into its owner's arrays.
            #[inline]
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// The id of array position `index`.
            ///
            /// # Panics
            /// If `index` exceeds `u32::MAX`; the builders refuse such sizes before.
            #[inline]
            pub fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("builders keep every array below 2^32 entries"))
            }
        }
    };
}

id!(
    /// A member of a team, 0-based in rank order.
    RankId
);
id!(
    /// A node of a fabric: endpoint, CPU, NIC or switch.
    NodeId
);
id!(
    /// A directed link of a fabric.
    LinkId
);
id!(
    /// Anything with a capacity that flows share: a bundle of links, a reduction unit.
    ResourceId
);
id!(
    /// A transfer of a schedule.
    TransferId
);
id!(
    /// A set of links of a fabric that always carry equal loads.
    BundleId
);
id!(
    /// A class of nodes of a fabric that routes cannot tell apart.
    ClassId
);
