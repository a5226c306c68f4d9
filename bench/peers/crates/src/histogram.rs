/// Latencies in steps of less than 1 %, as bench/native/histogram.h counts them.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

const STEP_BITS: u32 = 7;
const STEPS: u64 = 1 << STEP_BITS;

impl Histogram {
    pub fn new() -> Self {
        Self { counts: vec![0; (34 * STEPS) as usize], total: 0 }
    }

    pub fn record(&mut self, ns: u64) {
        let value = ns.min((1 << 40) - 1);
        let bucket = if value < STEPS {
            value
        } else {
            let shift = 63 - value.leading_zeros() - STEP_BITS;
            u64::from(shift + 1) * STEPS + ((value >> shift) & (STEPS - 1))
        };
        self.counts[bucket as usize] += 1;
        self.total += 1;
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// In microseconds.
    pub fn percentile(&self, fraction: f64) -> f64 {
        let wanted = (fraction * self.total.saturating_sub(1) as f64) as u64 + 1;
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        let bucket = bucket.unwrap_or(0) as u64;
        let ns =
            if bucket < STEPS { bucket } else { ((STEPS + bucket % STEPS + 1) << (bucket / STEPS - 1)) - 1 };
        ns as f64 / 1e3
    }
}
