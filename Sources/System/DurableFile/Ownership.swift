import Glibc

/// Whose a file must be and what others must not be able to do with it, before a program believes what it says. A program that trusts
/// nothing it reads asks for nothing; the rules are the caller's.
public struct Ownership: Hashable, Sendable {
    public enum Owner: Hashable, Sendable {
        /// Root, or the user whom this process is.
        case rootOrSelf
        /// The user whom this process is.
        case own
        case anybody
    }

    public var owner: Owner
    /// Permission bits of which none may be set.
    public var forbidden: UInt32
    /// Whether a second name (a hard link) is refused: another user may have made it to keep the content or to have it written over.
    public var wantsOneName: Bool
    /// Whether every folder on the way, and every symbolic link, must belong to root or this process's user and be writable by nobody else:
    /// who may change one of them may put another file there.
    public var judgesWay: Bool

    public init(owner: Owner, forbidden: UInt32, wantsOneName: Bool = false, judgesWay: Bool) {
        self.owner = owner
        self.forbidden = forbidden
        self.wantsOneName = wantsOneName
        self.judgesWay = judgesWay
    }

    /// What a program is to do: others may read it.
    public static let configuration = Ownership(owner: .rootOrSelf, forbidden: 0o022, judgesWay: true)
    /// What others must not know.
    public static let secret = Ownership(owner: .rootOrSelf, forbidden: 0o077, judgesWay: true)
    /// What this process wrote and believes when it reads it again.
    public static let state = Ownership(owner: .own, forbidden: 0o022, wantsOneName: true, judgesWay: true)

    /// Why an opened file or folder is not to be trusted, or `nil`.
    /// - Parameter kind: What it must be.
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
        // A folder has a name more for each folder in it.
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
        case .writable: "can be written by others than its owner"
        case .readable: "can be read by others than its owner"
        case .names(let count): "has \(count) names (hard links)"
        case .noFile: "is not a regular file"
        case .noFolder: "is not a folder"
        case .links: "is a symbolic link that cannot be followed"
        case .notAbsolute: "is not an absolute path"
        }
    }
}

/// Why a file was not opened: the system's refusal, or ours.
public enum OwnershipError: Error, Hashable, Sendable, CustomStringConvertible {
    case system(FileError)
    /// The path is of the file or of what is wrong on the way to it.
    case distrusted(path: String, Distrust)

    public var isMissing: Bool { if case .system(let error) = self { error.isMissing } else { false } }
    /// The file or folder that is at fault.
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
    /// Opens a regular file for reading and judges what was opened, and with `judgesWay` every folder and link on the way, each of them
    /// held open from its judgement to its use: nothing is judged that another may still exchange.
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
    /// Opens a folder and judges it as `File.open` does a file.
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

    /// Opens a regular file in this folder for reading and judges it; `nil` if there is none of that name.
    public func open(reading name: String, as rule: Ownership) throws(OwnershipError) -> File? {
        let file: File?
        do throws(FileError) { file = try open(reading: name) } catch { throw .system(error) }
        if let file { try rule.check(file, expecting: .file) }
        return file
    }
}

extension Ownership {
    /// Judges what is open.
    public func check(_ file: File, expecting kind: FileStatus.Kind) throws(OwnershipError) {
        let status: FileStatus
        do throws(FileError) { status = try file.status() } catch { throw .system(error) }
        if let fault = fault(status, expecting: kind) { throw .distrusted(path: file.path, fault) }
    }
}
