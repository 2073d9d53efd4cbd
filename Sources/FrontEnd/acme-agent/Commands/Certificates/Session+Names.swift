import ACME
import CertificateStore

extension Session {
    /// The name under which a certificate is stored, from its name or the first identifier in it. A wildcard certificate
    /// of an earlier version is found by either spelling.
    func certificateName(argument text: String) throws -> CertificateName {
        let name: CertificateName
        do { name = try CertificateName(text) } catch let error {
            guard let identifier = try? Identifier(argument: text) else { throw error }
            return stored(CertificateName.spellings(for: identifier)) ?? CertificateName(identifier)
        }
        return stored(name.spellings) ?? name
    }

    /// The first name under which something is stored.
    func stored(_ spellings: [CertificateName]) -> CertificateName? {
        let memory = RememberedSettings(stateDirectory: settings.stateDirectory)
        return spellings.first { name in
            let traces = store.traces(of: name)
            return traces.certificate || traces.order || traces.request || memory.isKept(name)
        }
    }
}
