//! splitmix64: the one generator of pseudorandom numbers, for hashes and for routings of tokens.
//!
//! Integers only, so every machine draws the same. Source: Steele, Lea, Flood, "Fast splittable
//! pseudorandom number generators", OOPSLA 2014.

/// The golden-ratio increment of the generator's state.
const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

/// One step of splitmix64 from state `x`: the increment and the finalizer.
pub fn splitmix64(x: u64) -> u64 {
    let mut z = x.wrapping_add(INCREMENT);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A stream of numbers of its own for each key.
#[derive(Clone, Debug)]
pub struct Stream {
    state: u64,
}

impl Stream {
    /// The stream of a seed and a key: mix(h, x) = splitmix64(h xor x) from splitmix64(seed) on.
    pub fn new(seed: u64, key: &[u64]) -> Self {
        let mix = |h: u64, &x: &u64| splitmix64(h ^ x);
        let state = key.iter().fold(splitmix64(seed), mix);
        Self { state }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let drawn = splitmix64(self.state);
        self.state = self.state.wrapping_add(INCREMENT);
        drawn
    }

    /// A number in 0..n, each equally likely: the high half of a product, drawn again in the few
    /// cases that would favor some (Lemire, "Fast random integer generation in an interval", 2019).
    ///
    /// # Panics
    /// If n is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        let unfair = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= unfair {
                return (product >> 64) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_reference_implementation() {
        // Vigna's splitmix64.c from state 1234567 on.
        let mut stream = Stream { state: 1_234_567 };
        let drawn: Vec<u64> = (0..3).map(|_| stream.next_u64()).collect();
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(drawn, expected);
    }

    #[test]
    fn numbers_below_n_are_all_met_and_no_others() {
        let mut stream = Stream::new(7, &[1, 2]);
        let mut n_met = [0u32; 5];
        for _ in 0..5000 {
            n_met[stream.below(5) as usize] += 1;
        }
        // 1000 each, standard deviation 28: six of them are 170.
        assert!(n_met.iter().all(|n| n.abs_diff(1000) < 170), "{n_met:?}");
        assert_eq!(stream.below(1), 0);
    }
}
