import ACME
import CertificateStore
import Issuance

/// The user's programs: whether they can be started, and who else may change what they do.
extension Examination {
    func hooks(_ reports: [CertificateReport]) -> [Diagnosis] {
        var users: [String: [String]] = [:], found: [Diagnosis] = []
        for report in reports where !report.certificate.isRevoked {
            let name = report.certificate.name
            // A damaged file is told with the challenges.
            guard let settings = try? settings(of: name) else { continue }
            for program in settings.programs(for: report.certificate.metadata.identifiers) {
                users[program, default: []].append(name.rawValue)
            }
        }
        for (program, names) in users.sorted(by: { $0.key < $1.key }) {
            let shown = TerminalText.safe(program, limit: 200)
            do throws(ExternalProgramError) { try Hooks.program(program).check() } catch {
                found.append(
                    .failed(
                        .hooks, shown, error.description,
                        hint: error.mend ?? "\(Wording.list(names, limit: 8)) cannot be renewed or deployed without it"))
                continue
            }
            found.append(.ok(.hooks, shown, "only its owner and root can change it"))
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
