import DurableFile
import JOSE
import NIOSSL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The certificate chain and the key file of one certificate, as they were at one moment.
struct IdentityFiles: Hashable, Sendable {
    private var chain: [UInt8]
    private var key: [UInt8]

    static let chainFile = "fullchain.pem"
    static let keyFile = "key.pem"
    /// A chain is a few KiB.
    private static let chainMaximum = 1024 * 1024

    /// Reads both files, of the same generation: `current` changes at once for all files of a certificate. A folder
    /// without `current` is taken as it is. Blocks.
    init(folder: String) throws(AgentTLSError) {
        let place: Folder
        do throws(FileError) {
            do throws(FileError) { place = try Folder(folder + "/current") } catch {
                guard error.isMissing else { throw error }
                place = try Folder(folder)
            }
            chain = try IdentityFiles.read(IdentityFiles.chainFile, in: place, limit: IdentityFiles.chainMaximum)
            key = try IdentityFiles.read(IdentityFiles.keyFile, in: place, limit: AgentPrivateKey.fileMaximum)
        } catch {
            throw AgentTLSError(.files, "the certificate cannot be read: \(error)", hint: IdentityFiles.hint(error))
        }
    }

    private static func hint(_ error: FileError) -> String? {
        switch error.code {
        case ENOENT: "`acme-agent issue` makes the folder, by default /var/lib/acme-agent/certificates/NAME"
        case EACCES: "\(keyFile) has mode 0640: give it the group of the server's user"
        default: nil
        }
    }

    private static func read(_ name: String, in folder: Folder, limit: Int) throws(FileError) -> [UInt8] {
        guard let bytes = try folder.read(name, limit: limit) else {
            throw FileError(path: "\(folder.path)/\(name)", call: "open", cause: .system(ENOENT))
        }
        return bytes
    }

    /// What a handshake needs. Never a certificate with the key of another.
    func pair(folder: String, signer: AgentSigner) throws(AgentTLSError) -> IdentityPair {
        let certificates: [NIOSSLCertificate]
        let spki: [UInt8]
        do {
            certificates = try NIOSSLCertificate.fromPEMBytes(chain)
            guard let leaf = certificates.first else { throw NIOSSLError.failedToLoadCertificate }
            spki = try leaf.extractPublicKey().toSPKIBytes()
        } catch {
            throw AgentTLSError(.files, "\"\(folder)/\(IdentityFiles.chainFile)\" has no certificate that can be read")
        }
        let agentKey: AgentPrivateKey
        do throws(AgentTLSError) { agentKey = try AgentPrivateKey(pem: key, signer: signer) } catch {
            throw AgentTLSError(.files, "\"\(folder)/\(IdentityFiles.keyFile)\": \(error.message)", hint: error.hint)
        }
        guard spki == agentKey.half.spki else {
            throw AgentTLSError(
                .files, "the certificate in \"\(folder)\" is not for the key \"\(agentKey.name)\" of its key file",
                hint: "copy \(IdentityFiles.chainFile) and \(IdentityFiles.keyFile) of the same issuance")
        }
        return IdentityPair(chain: certificates.map { .certificate($0) }, key: NIOSSLPrivateKey(customPrivateKey: agentKey))
    }
}

/// A certificate chain and its leaf's key.
struct IdentityPair: Sendable {
    let chain: [NIOSSLCertificateSource]
    let key: NIOSSLPrivateKey
}
