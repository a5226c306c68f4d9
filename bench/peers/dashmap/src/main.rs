//! Keeps sessions in a DashMap, does what bench/sessions/subject.ts does to its subjects, in the same random order, and
//! prints the same line of JSON. Arguments: sessions, operations.

use std::hint::black_box;
use std::time::Instant;

use dashmap::DashMap;

/// As much as a slot of the table says.
struct Session {
    state: u32,
    _transport: u32,
    _connection: u32,
    _id: u128,
    last_activity: u32,
    _numbers: [u32; 6],
}

fn id_of(number: u64) -> u128 {
    let low = number as u32;
    let words = [
        low,
        low.wrapping_mul(0x9e37_79b1),
        low.wrapping_mul(0x85eb_ca6b),
        (number >> 32) as u32,
    ];
    words.iter().rev().fold(0, |id, &word| (id << 32) | u128::from(word))
}

struct Sessions {
    by_number: DashMap<u64, Session>,
    by_id: DashMap<u128, u64>,
    numbers: Vec<u64>,
    begun: u64,
    tick: u32,
    state: u32,
}

impl Sessions {
    fn begin(&mut self, index: usize) {
        self.begun += 1;
        self.numbers[index] = self.begun;
        self.by_number.insert(
            self.begun,
            Session {
                state: 2,
                _transport: 1,
                _connection: self.begun as u32,
                _id: id_of(self.begun),
                last_activity: self.tick,
                _numbers: [0; 6],
            },
        );
    }

    /// Where some number is: the order is the same for every subject.
    fn next(&mut self) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        self.state as usize % self.numbers.len()
    }

    fn any(&mut self) -> u64 {
        let index = self.next();
        self.numbers[index]
    }

    fn touch_any(&mut self) {
        let number = self.any();
        let mut session = self.by_number.get_mut(&number).expect("a session is there");
        assert_eq!(session.state, 2);
        session.last_activity = self.tick;
    }

    fn replace_any(&mut self, has_ids: bool) {
        self.tick = self.tick.wrapping_add(1);
        let index = self.next();
        let number = self.numbers[index];
        if has_ids {
            self.by_id.remove(&id_of(number));
        }
        self.by_number.remove(&number);
        self.begin(index);
        if has_ids {
            self.by_id.insert(id_of(self.begun), self.begun);
        }
        self.touch_any();
    }
}

fn nanoseconds(count: u32, mut work: impl FnMut()) -> f64 {
    for _ in 0..count.min(50_000) {
        work();
    }
    let begun = Instant::now();
    for _ in 0..count {
        work();
    }
    begun.elapsed().as_nanos() as f64 / f64::from(count)
}

fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).expect("a number").parse::<f64>().expect("a number") * 1024.0
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u32>().expect("a number"));
    let count = arguments.next().expect("how many sessions");
    let operations = arguments.next().expect("how many operations");

    let before = resident_bytes();
    let mut sessions = Sessions {
        by_number: DashMap::new(),
        by_id: DashMap::new(),
        numbers: vec![0; count as usize],
        begun: 0,
        tick: 0,
        state: 0x2545_f491,
    };
    for index in 0..count as usize {
        sessions.begin(index);
        sessions.by_id.insert(id_of(sessions.begun), sessions.begun);
    }
    let bytes_per_session = (resident_bytes() - before) / f64::from(count);

    let mix = nanoseconds(operations, || sessions.replace_any(false));
    // Those that came in the mix have no id yet, and those that went have theirs still.
    sessions.by_id.clear();
    for &number in &sessions.numbers {
        sessions.by_id.insert(id_of(number), number);
    }
    let mix_with_ids = nanoseconds(operations, || sessions.replace_any(true));
    let lookup = nanoseconds(operations, || {
        let number = sessions.any();
        black_box(sessions.by_number.get(&number).expect("a session is there").last_activity);
    });
    let find = nanoseconds(operations, || {
        let number = sessions.any();
        black_box(*sessions.by_id.get(&id_of(number)).expect("an id is there"));
    });
    let begun = Instant::now();
    let tick = sessions.tick;
    let swept = sessions.by_number.iter().filter(|session| tick >= session.last_activity).count();
    assert_eq!(swept, count as usize);
    let sweep = begun.elapsed().as_nanos() as f64 / f64::from(count);
    println!(
        "{{\"mix\":{mix},\"mixWithIds\":{mix_with_ids},\"lookup\":{lookup},\"find\":{find},\"sweep\":{sweep},\
         \"bytesPerSession\":{bytes_per_session},\"pauseMs\":0,\"longestPauseMs\":0}}"
    );
}
