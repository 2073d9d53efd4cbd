import Glibc

/// Walks a path step by step, with every folder held open and checked: each must belong to root or this process's user
/// and be writable by no one else, except a sticky folder of root's such as /tmp, where only a file's owner can replace
/// it. Symbolic links are checked and followed here, since a user who can change a link's folder can change its target.
public struct TrustedWay: ~Copyable {
    /// The path without symbolic links.
    public let resolved: String
    private let folder: Int32
    private let name: String

    /// - Parameter path: absolute.
    public init(to path: String) throws(OwnershipError) {
        guard path.utf8.first == UInt8(ascii: "/"), !path.utf8.contains(0) else { throw .distrusted(path: path, .notAbsolute) }
        var steps = Steps()
        do throws(OwnershipError) {
            try steps.walk(path)
        } catch {
            steps.closeFolder()
            throw error
        }
        folder = steps.folder
        name = steps.last
        resolved = steps.path(of: steps.last == "." ? nil : steps.last)
    }

    deinit { close(folder) }

    /// Opens what the path names, which is not a symbolic link. It has not been checked yet.
    /// - Returns: a descriptor, which the caller must close.
    public func open(_ flags: Int32) throws(OwnershipError) -> Int32 {
        let descriptor = openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(FileError(path: resolved, call: "open", code: errno)) }
        return descriptor
    }

    /// Opens the regular file that the path names for reading, and checks it.
    public func open(as rule: Ownership) throws(OwnershipError) -> File {
        let file = File(descriptor: try open(O_RDONLY | O_NONBLOCK | O_NOCTTY), path: resolved, calls: .real)
        try rule.check(file, expecting: .file)
        return file
    }

    /// Checks the regular file that the path names without opening it to read: a program need not be readable.
    public func check(as rule: Ownership) throws(OwnershipError) {
        let descriptor = try open(Steps.pathOnly)
        defer { close(descriptor) }
        guard let status = FileStatus.of(descriptor) else { throw .system(FileError(path: resolved, call: "fstat", code: errno)) }
        if let fault = rule.fault(status, expecting: .file) { throw .distrusted(path: resolved, fault) }
    }

    private struct Steps {
        var folder: Int32 = -1
        /// The last component; "." if the path ends in the folder itself.
        var last = "."
        private var walked: [String] = []

        func path(of name: String?) -> String { "/" + (walked + (name.map { [$0] } ?? [])).joined(separator: "/") }

        mutating func walk(_ path: String) throws(OwnershipError) {
            var remaining = Steps.components(path)
            var links = 0
            try enter("/", from: AT_FDCWD)
            while let name = remaining.popLast() {
                if name == ".." {
                    // The folder was entered without a link, so its parent is the one before it, or the root.
                    _ = walked.popLast()
                    try enter("..", from: folder)
                    continue
                }
                let next = openat(folder, name, Steps.pathOnly | O_NOFOLLOW | O_CLOEXEC)
                guard next >= 0 else { throw .system(FileError(path: self.path(of: name), call: "open", code: errno)) }
                defer { close(next) }
                guard let status = FileStatus.of(next) else {
                    throw .system(FileError(path: self.path(of: name), call: "fstat", code: errno))
                }
                if status.kind == .link {
                    links += 1
                    guard Ownership.isOurs(status) else { throw .distrusted(path: self.path(of: name), .owner(status.owner)) }
                    guard links <= Steps.mostLinks, let target = Folder.target(ofLink: "", in: next), !target.isEmpty else {
                        throw .distrusted(path: self.path(of: name), .links)
                    }
                    remaining += Steps.components(target)
                    if target.utf8.first == UInt8(ascii: "/") {
                        walked = []
                        try enter("/", from: AT_FDCWD)
                    }
                } else if remaining.isEmpty {
                    last = name
                } else {
                    walked.append(name)
                    try enter(name, from: folder)
                }
            }
        }

        /// Opens a folder, checks it, and closes the previous one.
        private mutating func enter(_ name: String, from start: Int32) throws(OwnershipError) {
            let next = openat(start, name, Steps.pathOnly | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard next >= 0 else {
                let number = errno
                throw number == ENOTDIR
                    ? .distrusted(path: path(of: nil), .noFolder) : .system(FileError(path: path(of: nil), call: "open", code: number))
            }
            closeFolder()
            folder = next
            guard let status = FileStatus.of(next) else { throw .system(FileError(path: path(of: nil), call: "fstat", code: errno)) }
            guard Ownership.isOurs(status) else { throw .distrusted(path: path(of: nil), .owner(status.owner)) }
            let isSticky = status.owner == 0 && status.mode & UInt32(S_ISVTX) != 0
            guard status.mode & 0o022 == 0 || isSticky else { throw .distrusted(path: path(of: nil), .writable) }
        }

        func closeFolder() { if folder >= 0 { close(folder) } }

        /// Last component first. Split at bytes: a slash with a combining character is one `Character`, but separates
        /// two components for the kernel.
        private static func components(_ path: String) -> [String] {
            path.utf8.split(separator: UInt8(ascii: "/")).filter { !$0.elementsEqual([UInt8(ascii: ".")]) }.reversed()
                .map { String(decoding: $0, as: UTF8.self) }
        }

        /// As many as the kernel follows (path_resolution(7)).
        private static let mostLinks = 40
        /// O_PATH, which the C header hides from Swift behind a feature macro: names a file without opening it.
        static let pathOnly: Int32 = 0o10_000_000
    }
}
