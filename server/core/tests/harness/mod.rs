//! A small deterministic world of shards, driven by a script through one function.
//!
//! Owner: one test. Always: nothing happens that the script does not say: commits wait for
//! `commit`, reads for `read`, time for `tick`; every effect that reaches a device or a third
//! party stands in the script behind `->`, in order, or the check fails.
//!
//! | line | what it does |
//! | --- | --- |
//! | `world shards=2 devices_may_bind=no hello=300s` | only as the first line |
//! | `open s1 at=1` | a connection lands on a shard |
//! | `hello s1 register install=1 secret=1` / `hello s1 login A secret=1` | with `app= hb= resume= sign=` (`resume=beyond` is above every id) |
//! | `ping s1` `pong s1` `ack s1 1 2` `bye s1` `garbage s1` `welcome s1` | frames |
//! | `cmd s1 7 bind alice type=t` (`unbind`, `drop`, `unknown`) | a device's command |
//! | `cmd s1 7 settags a,b` (`querytags`, `switch off`, `silent 22 10 480`, `info brand= model= notify=off`, `badge 5`, `token apns x`) | another |
//! | `cmd s1 7 feedback 1:10000,2:90001:5s` | what the user did: message, action, how long ago; `?7` is a message by its number |
//! | `upstream s1 9 body task=t` | a message to the third party |
//! | `gone s1` | the connection is gone |
//! | `push A,B ttl=60s body=x*9 req=r1 as=r1 task=t1 n=3` | a third party pushes |
//! | `probe A,B` `status A` `cids alice` `alias A` `bind A=alice` `unbind A=alice` `app NAME` | it asks |
//! | `set NAME registration=closed devices_may_bind=no` | an operator sets these, and nothing else |
//! | `disable NAME` `enable NAME` `rotate NAME 60s` `delete NAME` `task t1` `device A` `live A` | an operator asks |
//! | `group t1 [list] or=a and=b not=c platform=ios active=3 in=5m ttl=1h speed=10 name=n req=r` | a push to many |
//! | `list t1 A,B` `stop t1` `unschedule t1` `groups t1,t2` `named n` `day` `online` `detail A t1` | what is done with them |
//! | `settags A a,b` `addtag a A,B` `deltag a A,B` `tags A` `count or=a` `match A,B or a,b` | tags |
//! | `block A` `unblock A` `badge A +1` `token A x` `details A` `forget A` `dropalias x` | clients |
//! | `import A,3 secret=1 install=1 tags=a,b aliases=x,type:y badge=1 token=t blocked off` | from elsewhere; 3: a CID of threes |
//! | `export after=A limit=2` | devices as `CID:tags;type:alias+flags` |
//! | `commit [N]` | the first N ops (all) become durable as one batch and are heard of |
//! | `commit hold`, `deliver [at=1]`, `deliver N` | durable now, heard of later, N of it |
//! | `refuse [crash]`, `refuse reads` | the store refuses what waits (and is started anew) |
//! | `read [N]`, `read hold`, `deliver reads` | the same for reads |
//! | `waiting commits=1 reads=0` | how much waits |
//! | `line 1..3` | so many sessions of a shard stand in line for a page |
//! | `rest yes` | whether nothing is under way |
//! | `unwritten 2` | how many messages have ended of which no row says so yet |
//! | `tick 5s` | time passes in steps of one tick; `jump 5s` in one step; `clock -5s` steps the wall clock |
//! | `settings hb=30 min=20 max=40 devices_may_bind=no` | the operator sets these; what is left out is as by default |
//! | `drain 5s`, `finish` | as the events |
//! | `crash [unsynced] [shards=2]` | everything but the rows is gone |
//! | `mute A` | its row says that it takes no pushes; seen after a `crash` |
//! | `cursor A 3`, `rows A 3`, `seen A 5s` | what the rows say |
//! | `devices 2` | how many devices the rows hold |
//! | `told 0s,5s` | how long ago it was what the receipts that wait tell, in their order |
//! | `counts sent=2 acked=1` | counters, all shards together, since the last start |
//! | `tally accepted=1 acked=1` | the stage sums of the rows, all days together |
//!
//! Messages are shown as ordinals of their device. Answers are shown behind all other effects of
//! a line, runs of pushes as `1..64`, runs of equal lines as `64x`.

mod asks;
mod boot;
mod counts;
mod groups;
mod line;
mod losses;
mod names;
mod portable;
mod run;
mod show;
mod sums;
mod wander;
mod world;

use line::Line;
pub(crate) use wander::Wanderer;
use world::World;

/// Runs a script; panics at the first line whose effects are not those behind its `->`.
pub(crate) fn check(script: &str) {
    let lines = Line::all(script);
    let mut lines = lines.as_slice();
    let mut world = match lines.split_first() {
        Some((first, rest)) if first.verb() == "world" => {
            lines = rest;
            World::new(first)
        }
        _ => World::new(&Line::all("world")[0]),
    };
    for line in lines {
        world.run(line);
        let shown = show::fold(world.take_shown());
        assert!(
            shown == line.expected,
            "line {}: {}\nexpected:\n    {}\ncame:\n    {}\n",
            line.number,
            line.text,
            line.expected.join("\n    "),
            shown.join("\n    "),
        );
        world.check_invariants();
    }
    world.settle();
}
