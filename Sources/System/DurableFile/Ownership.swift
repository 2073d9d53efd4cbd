import Glibc

/// Who must own a file, and what others must not be able to do with it, before a program trusts its content. The caller
/// sets the rules; a program that trusts nothing it reads needs none.
public struct Ownership: Hashable, Sendable {
    public enum Owner: Hashable, Sendable {
        /// Root, or this process's user.
        case rootOrSelf
        /// This process's user.
        case own
        case anybody
    }

    public var owner: Owner
    /// Permission bits that must not be set.
    public var forbidden: UInt32
    /// Whether a second name (a hard link) is refused: another user may have made it to keep the content, or to have
    /// another file overwritten.
    public var wantsOneName: Bool
    /// Whether every folder and symbolic link on the path must belong to root or this process's user and be writable by
    /// no one else: a user who can change one of them can put another file there.
    public var judgesWay: Bool
    /// Whether a credential that systemd gave to this service is accepted, though its group bits are set: see
    /// `ServiceCredential`.
    public var acceptsCredential = false

    public init(owner: Owner, forbidden: UInt32, wantsOneName: Bool = false, judgesWay: Bool) {
        self.owner = owner
        self.forbidden = forbidden
        self.wantsOneName = wantsOneName
        self.judgesWay = judgesWay
    }

    /// For files that say what a program does: others may read them.
    public static let configuration = Ownership(owner: .rootOrSelf, forbidden: 0o022, judgesWay: true)
    /// For secrets.
    public static let secret: Ownership = {
        var rule = Ownership(owner: .rootOrSelf, forbidden: 0o077, judgesWay: true)
        rule.acceptsCredential = true
        return rule
    }()
    /// For files that this process wrote and trusts when it reads them again.
    public static let state = Ownership(owner: .own, forbidden: 0o022, wantsOneName: true, judgesWay: true)

    /// Why an open file or folder must not be trusted, or `nil`.
    /// - Parameter kind: the kind it must have.
    public func fault(_ status: FileStatus, expecting kind: FileStatus.Kind) -> Distrust? {
        guard status.kind == kind else { return kind == .folder ? .noFolder : .noFile }
        switch owner {
        case .anybody: break
        case .own: if status.owner != geteuid() { return .owner(status.owner) }
        case .rootOrSelf: if !Ownership.isOurs(status) { return .owner(status.owner) }
        }
        let open = status.mode & forbidden
        if open & 0o022 != 0 { return .writable }
        if open != 0 { return .readable }
        // A folder has one more name for each folder in it.
        if wantsOneName, kind == .file, status.names != 1 { return .names(status.names) }
        return nil
    }

    static func isOurs(_ status: FileStatus) -> Bool { status.owner == 0 || status.owner == geteuid() }
}

/// What is wrong with a file or folder, in words that follow its path.
public enum Distrust: Hashable, Sendable, CustomStringConvertible {
    case owner(UInt32)
    case writable
    case readable
    case names(Int)
    case noFile
    case noFolder
    /// More symbolic links than the kernel follows.
    case links
    case notAbsolute

    public var description: String {
        switch self {
        case .owner(let user): "belongs to another user (uid \(user))"
        case .writable: "can be written by users other than its owner"
        case .readable: "can be read by users other than its owner"
        case .names(let count): "has \(count) names (hard links)"
        case .noFile: "is not a regular file"
        case .noFolder: "is not a folder"
        case .links: "is a symbolic link that cannot be followed"
        case .notAbsolute: "is not an absolute path"
        }
    }
}

/// Why a file was not opened: a system error, or a rule here.
public enum OwnershipError: Error, Hashable, Sendable, CustomStringConvertible {
    case system(FileError)
    /// The path of the file, or of the folder or link on its path that is at fault.
    case distrusted(path: String, Distrust)

    public var isMissing: Bool { if case .system(let error) = self { error.isMissing } else { false } }
    /// The file or folder at fault.
    public var path: String {
        switch self {
        case .system(let error): error.path
        case .distrusted(let path, _): path
        }
    }
    /// Without the path.
    public var reason: String {
        switch self {
        case .system(let error): error.reason
        case .distrusted(_, let reason): reason.description
        }
    }
    public var description: String {
        switch self {
        case .system(let error): error.description
        case .distrusted(let path, let reason): "\"\(path)\" \(reason)"
        }
    }
}

extension File {
    /// Opens a regular file for reading and checks the open file; with `judgesWay`, also every folder and link on its
    /// path. Each is held open from its check to its use, so that nothing can be exchanged in between.
    public static func open(_ path: String, as rule: Ownership) throws(OwnershipError) -> File {
        let descriptor: Int32
        if rule.judgesWay {
            let way = try TrustedWay(to: path)
            descriptor = try way.open(O_RDONLY | O_NONBLOCK | O_NOCTTY)
        } else {
            do throws(FileError) { descriptor = try openForReading(path, in: AT_FDCWD, path: path, followsLink: true) } catch {
                throw .system(error)
            }
        }
        let file = File(descriptor: descriptor, path: path, calls: .real)
        try rule.check(file, expecting: .file)
        return file
    }
}

extension Folder {
    /// Opens a folder and checks it as `File.open` does a file.
    public static func open(_ path: String, as rule: Ownership, calls: FileCalls = .real) throws(OwnershipError) -> Folder {
        let folder: Folder
        if rule.judgesWay {
            let way = try TrustedWay(to: path)
            folder = Folder(descriptor: try way.open(O_RDONLY | O_DIRECTORY), path: path, calls: calls)
        } else {
            do throws(FileError) { folder = try Folder(path, calls: calls) } catch { throw .system(error) }
        }
        let status: FileStatus
        do throws(FileError) { status = try folder.status() } catch { throw .system(error) }
        if let fault = rule.fault(status, expecting: .folder) { throw .distrusted(path: path, fault) }
        return folder
    }

    /// Opens a regular file in this folder for reading and checks it; `nil` if there is none with that name.
    public func open(reading name: String, as rule: Ownership) throws(OwnershipError) -> File? {
        let file: File?
        do throws(FileError) { file = try open(reading: name) } catch { throw .system(error) }
        if let file { try rule.check(file, expecting: .file) }
        return file
    }
}

extension Ownership {
    /// Checks what is open.
    public func check(_ file: File, expecting kind: FileStatus.Kind) throws(OwnershipError) {
        let status: FileStatus
        do throws(FileError) { status = try file.status() } catch { throw .system(error) }
        guard let fault = fault(status, expecting: kind) else { return }
        if acceptsCredential, fault == .readable, kind == .file, ServiceCredential.isOne(file, status) { return }
        throw .distrusted(path: file.path, fault)
    }
}
