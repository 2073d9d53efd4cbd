import ACME
import DurableFile

/// The folder of another tool's installation. What stands in it decides what is ordered, so everything on the way to a
/// file must belong to root or this user, and others must not be able to write to it. Links are followed inside the
/// folder only.
struct ForeignFolder {
    /// As given, absolute.
    let path: String
    private let root: Folder

    /// Other programs' files are trusted as this program's own configuration is.
    private static let rule = Ownership.configuration
    /// As many as the kernel follows (path_resolution(7)).
    private static let mostLinks = 40
    /// In one folder. An installation has one or two for each certificate.
    static let mostEntries = 20_000

    /// - Throws: `Failure`
    init(_ path: String, of tool: String) throws(Failure) {
        self.path = path
        do throws(OwnershipError) { root = try Folder.open(path, as: ForeignFolder.rule) } catch {
            let shown = TerminalText.safe(path)
            guard error.isMissing else {
                throw Failure(
                    "file", .failed, "\(TerminalText.safe(error.description)): it is not read",
                    hint: "it decides what is ordered, so it must belong to root or to you, and others must not be able to write to it")
            }
            throw Failure(
                "file", .failed, "there is no folder \"\(shown)\"",
                hint: "name the folder of \(tool)'s installation: acme-agent migrate \(tool) FOLDER")
        }
    }

    private enum Place {
        case folder(Folder)
        case file(in: Folder, name: String)
    }

    /// The path of something in this folder, without the folder's own; `nil` if it is elsewhere.
    func relative(_ path: String) -> String? {
        let prefix = self.path.hasSuffix("/") ? self.path : self.path + "/"
        return path.utf8.starts(with: prefix.utf8) ? String(decoding: path.utf8.dropFirst(prefix.utf8.count), as: UTF8.self) : nil
    }

    /// Whether there is something of this name, whoever may have put it there.
    func hasEntry(_ name: String) -> Bool {
        do throws(FileError) {
            _ = try FileStatus(at: "\(path)/\(name)")
            return true
        } catch { return !error.isMissing }
    }

    /// The names in a folder, sorted; empty if there is no such folder.
    /// - Parameter name: relative to this folder; `nil` for itself.
    func names(in name: String? = nil) throws(ForeignFault) -> [String] {
        let names: [String]
        switch try find(name ?? "") {
        case .folder(let folder)?:
            do throws(FileError) { names = try folder.names() } catch { throw ForeignFault(error.reason) }
        case .file?: throw ForeignFault("is not a folder")
        case nil: return []
        }
        guard names.count <= ForeignFolder.mostEntries else {
            throw ForeignFault("has more than \(ForeignFolder.mostEntries) entries")
        }
        return names
    }

    /// The content of a regular file; `nil` if there is none.
    func read(_ name: String, limit: Int) throws(ForeignFault) -> [UInt8]? {
        switch try find(name) {
        case nil: return nil
        case .folder?: throw ForeignFault("is a folder")
        case .file(let folder, let name)?:
            do throws(OwnershipError) {
                guard let file = try folder.open(reading: name, as: ForeignFolder.rule) else { return nil }
                do throws(FileError) { return try file.read(limit: limit) } catch { throw .system(error) }
            } catch { throw ForeignFault(error.reason) }
        }
    }

    /// Text of a file, which must be UTF-8.
    func text(_ name: String, limit: Int) throws(ForeignFault) -> String? {
        guard let bytes = try read(name, limit: limit) else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw ForeignFault("is not valid UTF-8") }
        return text
    }

    /// Walks to a name, step by step, so that no link leads out of the folder.
    private func find(_ name: String) throws(ForeignFault) -> Place? {
        var way = [root], remaining = ForeignFolder.components(name), links = 0
        while let step = remaining.popLast() {
            guard let folder = way.last else { return nil }
            if step == ".." {
                guard way.count > 1 else { throw ForeignFault("is a link that leads out of the folder") }
                way.removeLast()
                continue
            }
            let kind: FileStatus.Kind, next: Folder?
            do throws(FileError) {
                kind = try folder.status(of: step).kind
                next = kind == .folder ? try folder.folder(step) : nil
            } catch {
                if error.isMissing { return nil }
                throw ForeignFault(error.reason)
            }
            if let next {
                guard let status = try? next.status() else { throw ForeignFault("cannot be read") }
                if let fault = ForeignFolder.rule.fault(status, expecting: .folder) {
                    throw ForeignFault("is in the folder \(step), which \(fault)")
                }
                way.append(next)
            } else if kind == .link {
                links += 1
                guard links <= ForeignFolder.mostLinks, let target = folder.target(ofLink: step) else {
                    throw ForeignFault("is a link that cannot be followed")
                }
                var inside = target
                if target.utf8.first == UInt8(ascii: "/") {
                    guard let own = relative(target) else { throw ForeignFault("is a link that leads out of the folder") }
                    inside = own
                    way = [root]
                }
                remaining += ForeignFolder.components(inside)
            } else {
                guard remaining.isEmpty else { return nil }
                return .file(in: folder, name: step)
            }
        }
        return way.last.map { .folder($0) }
    }

    /// Last component first.
    private static func components(_ path: String) -> [String] {
        path.utf8.split(separator: UInt8(ascii: "/")).map { String(decoding: $0, as: UTF8.self) }.filter { $0 != "." }.reversed()
    }
}

/// Why a file of another tool, or something in it, is not used. Words that follow its name.
struct ForeignFault: Error, Equatable {
    var reason: String
    init(_ reason: String) { self.reason = reason }

    /// In a line of the file, from 1.
    init(line: Int, _ reason: String) { self.reason = "line \(line): \(reason)" }
}
