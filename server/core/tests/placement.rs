//! Placement is for ever: what a stored CID or name maps to may never change.
//!
//! `placement.txt` is the golden list. A line: what it is, its name, its slot, and its shard when
//! there are 1, 2, 3, 4 and 16 of them. It was printed once and is never printed anew.

use proptest::prelude::*;
use protocol::ClientId;
use server_core::ids::ShardNo;
use server_core::placement::{SLOTS, Slot, first_cid};

const GOLDEN: &str = include_str!("placement.txt");
const SHARDS: [u16; 5] = [1, 2, 3, 4, 16];

fn line(kind: &str, name: &str) -> String {
    let slot = match kind {
        "cid" => Slot::of_cid(name.parse().expect("32 hex digits")),
        _ => Slot::of_name(name.as_bytes()),
    };
    let shards = SHARDS.map(|shards| slot.shard(shards).0.to_string());
    format!("{kind} {name} {} {}", slot.number(), shards.join(" "))
}

#[test]
fn given_the_golden_list_when_placed_should_be_where_it_was() {
    let mut lines = 0;
    for golden in GOLDEN.lines() {
        let mut words = golden.split(' ');
        let (kind, name) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        assert_eq!(line(kind, name), golden);
        lines += 1;
    }
    assert_eq!(lines, 100, "a line of the golden list is gone");
}

#[test]
fn given_any_number_of_shards_when_slots_are_placed_should_be_ranges_of_even_size() {
    for shards in [1, 2, 3, 5, 16, 63, 64, 100, 4095, SLOTS] {
        let mut sizes = vec![0u32; usize::from(shards)];
        let mut last = ShardNo(0);
        for slot in 0..SLOTS {
            let cid = ClientId::from_bytes((u128::from(slot) << 116).to_be_bytes());
            let shard = Slot::of_cid(cid).shard(shards);
            assert!(shard >= last, "slots of one shard are one range");
            last = shard;
            sizes[usize::from(shard.0)] += 1;
        }
        let (least, most) = (sizes.iter().min(), sizes.iter().max());
        assert!(
            most.zip(least)
                .is_some_and(|(most, least)| most - least <= 1),
            "{shards}: {sizes:?}"
        );
    }
}

#[test]
fn given_many_names_when_placed_should_spread_over_all_shards() {
    let mut counts = [0u32; 16];
    for n in 0..16_000 {
        counts[usize::from(Slot::of_name(format!("alias{n}").as_bytes()).shard(16).0)] += 1;
    }
    assert!(
        counts.iter().all(|count| (800..1200).contains(count)),
        "{counts:?}"
    );
}

proptest! {
    #[test]
    fn given_a_shard_when_a_slot_within_is_picked_should_be_its_own(
        shards in 1..=SLOTS,
        pick in any::<u16>(),
        random in any::<u64>(),
        bytes in any::<[u8; 16]>(),
    ) {
        let shard = ShardNo(pick % shards);
        let slot = Slot::within(shard, shards, random);
        prop_assert_eq!(slot.shard(shards), shard);
        let cid = slot.cid(bytes);
        prop_assert_eq!(Slot::of_cid(cid), slot);
        prop_assert_eq!(&cid.as_bytes()[2..], &bytes[2..]);
        prop_assert_eq!(cid.as_bytes()[1] & 0x0f, bytes[1] & 0x0f);
    }
}

#[test]
fn given_each_slot_when_owned_should_lie_between_the_first_cids_of_its_shard_and_the_next() {
    for shards in [1, 2, 3, 7, 256, SLOTS] {
        for slot in 0..SLOTS {
            let head = (slot << 4).to_be_bytes();
            let lowest = [&head[..], &[0; 14]].concat();
            let highest = [&[head[0], head[1] | 0x0f][..], &[0xff; 14]].concat();
            for bytes in [lowest, highest] {
                let cid = ClientId::from_bytes(bytes.try_into().expect("16 bytes"));
                let shard = Slot::of_cid(cid).shard(shards);
                let first = first_cid(shard, shards).expect("it owns something");
                assert!(first <= cid, "{cid} of {shard:?} of {shards}");
                let next = first_cid(ShardNo(shard.0 + 1), shards);
                assert_eq!(next.is_none(), shard.0 + 1 == shards);
                assert!(
                    next.is_none_or(|next| cid < next),
                    "{cid} of {shard:?} of {shards}"
                );
            }
        }
    }
}
