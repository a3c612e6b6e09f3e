//! What sensors send.

/// xorshift64*: the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % bound
    }

    /// Moves a value by less than `most` up or down.
    fn drift(&mut self, value: &mut i64, most: i64) {
        *value += self.below(2 * most as u64 - 1) as i64 - (most - 1);
    }
}

struct Device {
    id: String,
    temperature: i64,
    humidity: i64,
    battery: i64,
    rssi: i64,
    sequence: u64,
}

struct Fleet {
    random: Random,
    devices: Vec<Device>,
    time: u64,
}

impl Fleet {
    fn new() -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let devices = (0..5)
            .map(|_| Device {
                id: format!("sensor-{:06x}", random.below(1 << 24)),
                temperature: 1800 + random.below(800) as i64,
                humidity: 350 + random.below(300) as i64,
                battery: 3300 + random.below(800) as i64,
                rssi: -40 - random.below(45) as i64,
                sequence: random.below(100_000),
            })
            .collect();
        Self { random, devices, time: 1_764_000_000_000 }
    }

    /// A device whose values have moved on.
    fn next(&mut self) -> (u64, &Device) {
        let Self { random, devices, time } = self;
        *time += 150 + random.below(100);
        let at = random.below(devices.len() as u64) as usize;
        let device = &mut devices[at];
        random.drift(&mut device.temperature, 12);
        random.drift(&mut device.humidity, 5);
        random.drift(&mut device.rssi, 3);
        device.battery -= random.below(2) as i64;
        device.sequence += 1;
        (*time, device)
    }
}

fn reading((time, device): (u64, &Device)) -> String {
    let Device { id, temperature, humidity, battery, rssi, sequence } = device;
    format!(
        "{{\"device\":\"{id}\",\"ts\":{time},\"temperature\":{:.2},\"humidity\":{:.1},\"battery\":{:.3},\"rssi\":{rssi},\"seq\":{sequence}}}",
        *temperature as f64 / 100.0,
        *humidity as f64 / 10.0,
        *battery as f64 / 1000.0,
    )
}

/// So many messages of about `len` bytes.
pub fn messages(len: usize, count: usize) -> Vec<Vec<u8>> {
    let mut fleet = Fleet::new();
    let mut message = || {
        if len < 100 {
            let (_, device) = fleet.next();
            return format!(
                "{{\"t\":{:.2},\"h\":{:.1}}}",
                device.temperature as f64 / 100.0,
                device.humidity as f64 / 10.0
            );
        }
        let first = reading(fleet.next());
        if len < 2 * first.len() {
            return first;
        }
        let mut all = format!("[{first}");
        while all.len() + first.len() < len {
            all.push(',');
            all.push_str(&reading(fleet.next()));
        }
        all.push(']');
        all
    };
    (0..count).map(|_| message().into_bytes()).collect()
}
