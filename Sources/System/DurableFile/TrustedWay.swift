import Glibc

/// The way to a path, walked step by step with every folder held open and judged: each belongs to root or to this process's user and
/// nobody else may write it, but for a sticky one of root's such as /tmp, where only a file's owner can replace it. Symbolic links are
/// judged and followed here, since who may change a link's folder may change what it names.
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

    /// Opens what is at the end of the way, which is no symbolic link. It has not been judged yet.
    /// - Returns: A descriptor, the caller's to close.
    public func open(_ flags: Int32) throws(OwnershipError) -> Int32 {
        let descriptor = openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(FileError(path: resolved, call: "open", code: errno)) }
        return descriptor
    }

    /// Opens the regular file at the end of the way for reading, and judges it.
    public func open(as rule: Ownership) throws(OwnershipError) -> File {
        let file = File(descriptor: try open(O_RDONLY | O_NONBLOCK | O_NOCTTY), path: resolved, calls: .real)
        try rule.check(file, expecting: .file)
        return file
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
                    // Of a folder that was entered without a link: the one it was entered from, or the root.
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

        /// Opens a folder, judges it, and lets the one before it go.
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

        /// The last first. Cut at bytes: a slash and a combining character after it are one `Character`, and two components to the kernel.
        private static func components(_ path: String) -> [String] {
            path.utf8.split(separator: UInt8(ascii: "/")).filter { !$0.elementsEqual([UInt8(ascii: ".")]) }.reversed()
                .map { String(decoding: $0, as: UTF8.self) }
        }

        /// What the kernel follows (path_resolution(7)).
        private static let mostLinks = 40
        /// O_PATH, which the C header hides from Swift behind a feature macro: names a file without opening it.
        private static let pathOnly: Int32 = 0o10_000_000
    }
}
