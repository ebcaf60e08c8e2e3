//! The clean room: what bisync gets to see of both sides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::model_surface::{Access, Meaning, Stat, beside, copy_name, original_of};
use guard::Object;
use guard::model_surface::Knowledge;

use super::{Cycle, MARK};
use crate::mutant::Mutant;
use crate::world::World;

impl World {
    pub(super) fn fill(&mut self, who: usize, cycle: &mut Cycle) {
        let now_ns = self.now_ns();
        let oracle = &self.oracle;
        let device = &mut self.devices[who];
        if self.mutant != Some(Mutant::TrustedMirror) {
            for ino in std::mem::take(&mut device.mirror).into_values() {
                device.file_mut(ino).ctime_ns = now_ns;
            }
        }
        let scope: Vec<(String, Meaning)> = cycle
            .planned
            .scope()
            .map(|(path, meaning)| (path.clone(), meaning))
            .collect();
        for (path, _) in &scope {
            let Some(scanned) = cycle.seen.stat(path) else {
                continue;
            };
            let same = |now: &Stat| {
                (now.ino, now.size, now.mtime_ns) == (scanned.ino, scanned.size, scanned.mtime_ns)
            };
            let found = device.stat(oracle, path).filter(same);
            let Some(ino) = found.and_then(|_| device.vault.get(path).copied()) else {
                cycle.planned.drop_path(path);
                cycle.again = true;
                continue;
            };
            device.file_mut(ino).ctime_ns = now_ns;
            let placed = *device.mirror.entry(path.clone()).or_insert(ino);
            cycle
                .linked
                .insert(path.clone(), device.stat_of(oracle, ino));
            cycle.placed.insert(path.clone(), u64::from(placed));
        }
        let names = self.copy_names(who, cycle);
        let scope: BTreeSet<String> = cycle
            .planned
            .scope()
            .map(|(path, _)| path.clone())
            .collect();
        let mut objects: Vec<Object> = scope
            .iter()
            .filter_map(|path| cycle.snapshot.get(path).cloned())
            .collect();
        if self.mutant == Some(Mutant::LastingTags) {
            let known = &mut self.devices[who].stale;
            for object in &mut objects {
                let kept = known
                    .entry(object.key.clone())
                    .or_insert_with(|| object.clone());
                *object = kept.clone();
            }
        }
        let access = if self.lapsed && self.mutant != Some(Mutant::WritesWhileLapsed) {
            Access::ReadOnly
        } else {
            Access::ReadWrite
        };
        cycle.guard = Some(Knowledge::new(objects, scope, access, Some(names)));
    }

    fn copy_names(&self, who: usize, cycle: &Cycle) -> guard::Rename {
        let device = &self.devices[who];
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        for (path, meaning) in cycle.planned.scope() {
            if let (Meaning::Conflict, Some(ino)) = (meaning, device.vault.get(path)) {
                let file = device.file(*ino);
                let md5 = self.oracle.md5(file.version);
                let here = |name: &str| cycle.seen.stat(name).is_some();
                let settled = |name: &str| !cycle.planned.concerns(name);
                let name = if self.mutant == Some(Mutant::FixedCopyName) {
                    format!("{path} (conflict).md")
                } else {
                    copy_name(
                        path,
                        &device.name,
                        file.mtime_ns,
                        md5,
                        &cycle.snapshot,
                        (here, settled),
                    )
                };
                names.insert(path.clone(), name);
            }
        }
        let (name, now_ms) = (device.name.clone(), self.now_ms);
        Arc::new(move |key, saved_ms| {
            let original = original_of(key, MARK)?;
            // Changed while the mirror was filled: nobody foresaw the conflict.
            let late = || {
                let ms = saved_ms.unwrap_or_else(|| i64::try_from(now_ms).unwrap_or(i64::MAX));
                beside(&original, &name, ms.saturating_mul(1_000_000), 1)
            };
            Some(names.get(&original).cloned().unwrap_or_else(late))
        })
    }
}
