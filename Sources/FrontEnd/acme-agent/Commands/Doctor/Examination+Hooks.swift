import ACME
import CertificateStore
import Glibc
import Issuance

/// The user's programs: whether they can be started, and who else may change what they do.
extension Examination {
    func hooks(_ reports: [CertificateReport]) -> [Diagnosis] {
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory)
        var users: [String: [String]] = [:], found: [Diagnosis] = []
        for report in reports where !report.certificate.isRevoked {
            let name = report.certificate.name
            // A damaged file is told with the challenges.
            guard let remembered = try? memory.read(name) else { continue }
            let settings = session.settings.certificate(named: name.rawValue, given: CertificateSettings(), remembered: remembered)
            for program in settings.programs(for: report.certificate.metadata.identifiers) {
                users[program, default: []].append(name.rawValue)
            }
        }
        for (program, names) in users.sorted(by: { $0.key < $1.key }) {
            let shown = TerminalText.safe(program, limit: 200)
            do throws(ExternalProgramError) { try Hooks.program(program).check() } catch {
                found.append(
                    .failed(
                        .hooks, shown, error.description, hint: "\(Wording.list(names, limit: 8)) cannot be renewed or deployed without it")
                )
                continue
            }
            guard let place = ForeignWriter.place(on: program) else {
                found.append(.ok(.hooks, shown, "only its owner can change it"))
                continue
            }
            found.append(
                .failed(
                    .hooks, shown, "others may change what it does: \(place.description)", hint: place.mend))
        }
        return found
    }
}

extension CertificateSettings {
    /// The programs that an issuance or renewal with these settings may run.
    fileprivate func programs(for names: [Identifier]) -> Set<String> {
        var programs = Set(deployHooks ?? [])
        if let failureHook { programs.insert(failureHook) }
        for case .dnsHook(let hook) in names.flatMap({ methods(for: $0) }) {
            programs.formUnion([hook.program, hook.cleanup].compactMap(\.self))
        }
        return programs
    }
}

/// A file or folder on the way to a program that somebody else may replace. Access control lists are not looked at.
struct ForeignWriter: CustomStringConvertible {
    var path: String
    var mode: UInt32
    var owner: UInt32

    var description: String {
        let shown = TerminalText.safe(path, limit: 200)
        return mode & 0o022 != 0 ? "\(shown) has mode 0\(String(mode, radix: 8))" : "\(shown) belongs to user \(owner)"
    }

    var mend: String {
        let shown = TerminalText.safe(path, limit: 200)
        return mode & 0o022 != 0 ? "chmod go-w \(shown)" : "chown \(geteuid() == 0 ? "root" : "root, or yourself,") \(shown)"
    }

    /// The first such place, of the path as it is and of the one that links lead to.
    static func place(on path: String) -> ForeignWriter? {
        var resolved = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let real = realpath(path, &resolved).flatMap { String(validatingCString: $0) }
        return [path, real].compactMap(\.self).lazy.compactMap { place(onPlain: $0) }.first
    }

    private static func place(onPlain path: String) -> ForeignWriter? {
        var way = ""
        let names = path.split(separator: "/")
        for (index, name) in names.enumerated() {
            way += "/\(name)"
            var status = stat()
            guard lstat(way, &status) == 0, status.st_mode & S_IFMT != S_IFLNK else { continue }
            let isFolder = index < names.count - 1
            // In a folder like /tmp only the owner of an entry can replace it.
            let isShared = isFolder && status.st_mode & UInt32(S_ISVTX) != 0
            let isForeign = status.st_uid != 0 && status.st_uid != geteuid()
            if isForeign || (status.st_mode & 0o022 != 0 && !isShared) {
                return ForeignWriter(path: way, mode: status.st_mode & 0o7777, owner: status.st_uid)
            }
        }
        return nil
    }
}
