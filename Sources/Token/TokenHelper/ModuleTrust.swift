import Glibc
import TokenProtocol

/// Decides whether a path may be loaded into the process that has the PIN: nobody but root and this process's user may be able to
/// put another file there. Every folder on the way is looked at, and every symbolic link is followed step by step, since who may
/// change a link's folder may change what it names.
enum ModuleTrust {
    /// The path without symbolic links, or why it is not to be trusted.
    static func resolve(_ path: String) -> Result<String, TokenFailure> {
        guard path.utf8.first == UInt8(ascii: "/"), !path.utf8.contains(0) else {
            return .failure(TokenFailure(.moduleUntrusted, message: "the module's path is not absolute", hint: "write it from / on"))
        }
        var remaining = components(path)
        var resolved: [String] = []
        var links = 0
        if let reason = mistrust(of: "/", expecting: .folder) { return .failure(reason) }
        while !remaining.isEmpty {
            let name = remaining.removeFirst()
            if name == "." { continue }
            if name == ".." {
                _ = resolved.popLast()
                continue
            }
            let current = "/" + (resolved + [name]).joined(separator: "/")
            var status = stat()
            guard lstat(current, &status) == 0 else {
                return .failure(TokenFailure(.moduleNotLoaded, message: "\"\(current)\": \(String(cString: strerror(errno)))"))
            }
            if status.st_mode & S_IFMT == S_IFLNK {
                links += 1
                guard links <= mostLinks, let target = target(ofLink: current) else {
                    return .failure(TokenFailure(.moduleUntrusted, message: "the symbolic link \"\(current)\" cannot be followed"))
                }
                guard isOurs(status) else { return .failure(untrusted(current, "belongs to uid \(status.st_uid)")) }
                if target.utf8.first == UInt8(ascii: "/") { resolved = [] }
                remaining = components(target) + remaining
                continue
            }
            if let reason = mistrust(of: current, expecting: remaining.isEmpty ? .file : .folder) { return .failure(reason) }
            resolved.append(name)
        }
        return .success("/" + resolved.joined(separator: "/"))
    }

    private enum Expectation { case file, folder }

    private static func mistrust(of path: String, expecting expectation: Expectation) -> TokenFailure? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            return TokenFailure(.moduleNotLoaded, message: "\"\(path)\": \(String(cString: strerror(errno)))")
        }
        guard isOurs(status) else { return untrusted(path, "belongs to uid \(status.st_uid)") }
        let isOpen = status.st_mode & 0o022 != 0
        switch expectation {
        case .file:
            guard status.st_mode & S_IFMT == S_IFREG else { return untrusted(path, "is not a regular file") }
            if isOpen { return untrusted(path, "can be written by its group or others") }
        case .folder:
            guard status.st_mode & S_IFMT == S_IFDIR else { return untrusted(path, "is not a folder") }
            // In a sticky folder of root's, such as /tmp, only the owner of a file can replace it.
            let isSticky = status.st_uid == 0 && status.st_mode & S_ISVTX != 0
            if isOpen, !isSticky { return untrusted(path, "can be written by its group or others") }
        }
        return nil
    }

    private static func isOurs(_ status: stat) -> Bool { status.st_uid == 0 || status.st_uid == geteuid() }

    private static func untrusted(_ path: String, _ reason: String) -> TokenFailure {
        TokenFailure(
            .moduleUntrusted, message: "the module is not loaded, because \"\(path)\" \(reason)",
            hint: "the module and every folder above it must belong to root and be writable by nobody else")
    }

    private static func components(_ path: String) -> [String] {
        path.split(separator: "/", omittingEmptySubsequences: true).map { String($0) }
    }

    private static func target(ofLink path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { readlink(path, $0.assumingMemoryBound(to: CChar.self), bytes.count) } ?? -1
        }
        guard count > 0, count < buffer.count else { return nil }
        return String(validating: buffer.prefix(count), as: UTF8.self)
    }

    /// What the kernel follows (path_resolution(7)).
    private static let mostLinks = 40
}
