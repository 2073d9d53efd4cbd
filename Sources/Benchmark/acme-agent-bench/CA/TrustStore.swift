import Glibc

/// The roots against which a client checks the CA's HTTPS certificate. The same for every client of a comparison.
enum TrustStore: String, CaseIterable {
    /// The CA's root and no other.
    case oneRoot = "one root"
    /// The system's roots (about 140) and the CA's, at the system's path.
    case system = "system's roots"

    /// Where Debian, and thus each client, has the system's roots.
    static let systemFile = "/etc/ssl/certs/ca-certificates.crt"
}

/// The files of the trust stores.
struct TrustStoreFiles {
    let oneRoot: String
    let system: String

    init(ca: BenchCA, folder: String) throws {
        oneRoot = ca.rootCertificate
        system = folder + "/system-roots.pem"
        try Files.write(system, try Files.read(TrustStore.systemFile) + Files.read(oneRoot), mode: 0o644)
    }

    subscript(_ store: TrustStore) -> String { store == .oneRoot ? oneRoot : system }
}
