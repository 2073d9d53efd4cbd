import Glibc

/// The disk with the agent's state: it can be filled, and freed again.
enum SoakDisk {
    /// A file system in memory, with a file that takes what is left.
    case small(folder: String)
    /// No file of the daemon may grow, which it meets as on a full disk (Docs/operations.md, "The disk is full").
    case limited

    /// The trail's current file and the one before, and as much again for keys and what is written anew.
    private static let mebibytes = 256

    /// Makes the agent's state folder on a small file system if this program may mount one. As root it runs in a mount
    /// namespace of its own, so that nothing stays mounted.
    static func make(for agent: Agent, mounts: Bool) throws(Finding) -> SoakDisk {
        let folder = agent.folder + "/state"
        guard mkdir(folder, 0o700) == 0 else { throw Finding("no folder for the agent's state could be made") }
        guard mounts, agent.run(["mount", "-t", "tmpfs", "-o", "size=\(mebibytes)m,mode=0700", "acme-soak", folder]) else {
            return .limited
        }
        agent.mounted = folder
        return .small(folder: folder)
    }

    func fill(_ agent: Agent) throws(Finding) {
        switch self {
        case .small(let folder):
            var status = statvfs()
            let file = open(folder + "/filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
            guard file >= 0, statvfs(folder, &status) == 0 else { throw Finding("the disk could not be filled") }
            defer { close(file) }
            // Something may be written meanwhile: what is left is taken in ever smaller pieces.
            var size = Int(status.f_bavail) * Int(status.f_frsize), offset = 0
            while size >= 4_096 {
                if posix_fallocate(file, off_t(offset), off_t(size)) == 0 { offset += size } else { size /= 2 }
            }
        case .limited: limit([agent.process], to: "0", agent)
        }
    }

    func heal(_ agent: Agent) {
        switch self {
        case .small(let folder): unlink(folder + "/filler")
        case .limited:
            // A helper that was started meanwhile has the daemon's limit.
            limit([agent.process], to: "unlimited", agent)
            limit(ProcessFigures.helpers(of: agent.process), to: "unlimited", agent)
        }
    }

    /// Sets the soft limit for the size of files.
    private func limit(_ processes: [pid_t], to size: String, _ agent: Agent) {
        for process in processes { _ = agent.run(["prlimit", "--pid", "\(process)", "--fsize=\(size):"]) }
    }
}
