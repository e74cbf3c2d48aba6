//! The machine and the process: processor and memory, as a share of the cgroup's limit where there is one.

/// What was seen at one tick.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct HostSample {
    /// Processor time of everything that shares the limit, from 0 to 1.
    pub(crate) cpu_ratio: Option<f64>,
    /// Memory in use by everything that shares the limit, from 0 to 1.
    pub(crate) memory_ratio: Option<f64>,
    /// The memory that there is for everything that shares the limit.
    pub(crate) memory_bytes: Option<u64>,
    /// The process's own processor time, in cores.
    pub(crate) process_cpu: Option<f64>,
    /// The process's resident memory.
    pub(crate) rss_bytes: Option<u64>,
}

#[cfg(not(feature = "host"))]
#[derive(Debug, Default)]
pub(crate) struct HostProbe;

#[cfg(not(feature = "host"))]
impl HostProbe {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn sample(&mut self) -> HostSample {
        HostSample::default()
    }
}

#[cfg(feature = "host")]
pub(crate) use self::probe::HostProbe;

#[cfg(feature = "host")]
mod probe {
    use std::time::Instant;

    use sysinfo::{
        CpuRefreshKind, MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, RefreshKind,
        System,
    };

    use super::HostSample;

    /// Looks at the host once a tick.
    #[derive(Debug)]
    pub(crate) struct HostProbe {
        system: Option<System>,
        pid: Option<Pid>,
        /// The cgroup's processor time at the last look, in microseconds.
        cgroup: Option<(Instant, u64)>,
    }

    impl HostProbe {
        pub(crate) fn new() -> Self {
            let kinds = RefreshKind::nothing()
                .with_cpu(CpuRefreshKind::nothing().with_usage())
                .with_memory(MemoryRefreshKind::nothing().with_ram());
            let pid = sysinfo::get_current_pid().ok();
            Self {
                system: System::new_with_specifics(kinds).ok(),
                pid,
                cgroup: None,
            }
        }

        pub(crate) fn sample(&mut self) -> HostSample {
            let of_limit = self.cgroup_cpu();
            let Some(system) = &mut self.system else {
                return HostSample::default();
            };
            system.refresh_cpu_usage();
            system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
            if let Some(pid) = self.pid {
                system.refresh_processes_specifics(
                    ProcessesToUpdate::Some(&[pid]),
                    false,
                    ProcessRefreshKind::nothing()
                        .with_cpu()
                        .with_memory()
                        .without_tasks(),
                );
            }
            let process = self.pid.and_then(|pid| system.process(pid));
            let (total, used) = match system.cgroup_limits() {
                Some(limits) if limits.total_memory < system.total_memory() => (
                    limits.total_memory,
                    limits.total_memory.saturating_sub(limits.free_memory),
                ),
                _ => (system.total_memory(), system.used_memory()),
            };
            HostSample {
                cpu_ratio: of_limit.or(Some(f64::from(system.global_cpu_usage()) / 100.0)),
                memory_ratio: (total > 0).then(|| used as f64 / total as f64),
                memory_bytes: (total > 0).then_some(total),
                process_cpu: process.map(|process| f64::from(process.cpu_usage()) / 100.0),
                rss_bytes: process.map(sysinfo::Process::memory),
            }
        }

        /// The share of the cgroup's processor quota in use, since the last look; `None` without a quota.
        fn cgroup_cpu(&mut self) -> Option<f64> {
            let max = std::fs::read_to_string("/sys/fs/cgroup/cpu.max").ok()?;
            let (quota, period) = max.trim().split_once(' ')?;
            let cores = quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?;
            let stat = std::fs::read_to_string("/sys/fs/cgroup/cpu.stat").ok()?;
            let usage = stat
                .lines()
                .find_map(|line| line.strip_prefix("usage_usec "))?;
            let now = (Instant::now(), usage.parse::<u64>().ok()?);
            let (before, used_before) = self.cgroup.replace(now)?;
            let elapsed = now.0.duration_since(before).as_micros() as f64;
            (elapsed > 0.0).then(|| now.1.saturating_sub(used_before) as f64 / elapsed / cores)
        }
    }
}
