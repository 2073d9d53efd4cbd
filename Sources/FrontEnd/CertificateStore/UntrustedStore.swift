import ACME
import Crypto
import DurableFile
import JOSE

/// The store of a user whom this process does not trust: root reads what an unprivileged user has written.
///
/// Every folder is opened in the one above it, no link is followed, and only regular files of the store's owner with one
/// name and a bounded size are read. So nothing in it leads to a file of somebody else, and nothing makes the reader wait.
/// What is read is parsed; a caller gets values, never bytes of a file.
public struct UntrustedStore: Sendable {
    private let root: Folder
    private let owner: UInt32

    /// - Parameter path: the state directory. The folders above it must belong to root or this process's user.
    public init(_ path: String) throws(StoreError) {
        do throws(OwnershipError) { root = try Folder.open(path, as: Ownership(owner: .anybody, forbidden: 0, judgesWay: true)) } catch {
            throw UntrustedStore.refusal(error)
        }
        do throws(FileError) { owner = try root.status().owner } catch { throw StoreError(error) }
    }

    private static func refusal(_ error: OwnershipError) -> StoreError {
        switch error {
        case .system(let error): StoreError(error)
        case .distrusted(let path, let fault): StoreError(.damaged, path: path, message: "\"\(TerminalText.safe(path))\" \(fault)")
        }
    }

    /// Names of the certificates, sorted. What is no certificate's name is left out, and what has yet to be ordered.
    public func certificateNames() throws(StoreError) -> [CertificateName] {
        guard let certificates = try folder(FolderLayout.certificatesFolder, in: root) else { return [] }
        do throws(FileError) {
            return try certificates.names().compactMap { try? CertificateName($0) }.filter {
                (try? certificates.folder($0.rawValue))?.target(ofLink: FolderLayout.currentLink) != nil
            }
        } catch { throw StoreError(error) }
    }

    /// How many times to look again if the generation is removed while it is read.
    private static let looks = 5

    /// The current generation; `nil` if there is none.
    public func certificate(named name: CertificateName) throws(StoreError) -> UntrustedCertificate? {
        guard let certificates = try folder(FolderLayout.certificatesFolder, in: root),
            let certificate = try folder(name.rawValue, in: certificates)
        else { return nil }
        var last: Int?
        for _ in 0..<Self.looks {
            guard let target = certificate.target(ofLink: FolderLayout.currentLink) else { return nil }
            guard let number = FolderLayout.number(ofTarget: target) else {
                throw StoreError(.damaged, path: certificate.path, message: "the link to the current generation points elsewhere")
            }
            // The same one twice: it is not being replaced, its files are missing.
            guard number != last else { break }
            last = number
            if let found = try read(number, of: name, in: certificate) { return found }
        }
        throw StoreError(.damaged, path: certificate.path, message: "files of the current generation are missing")
    }

    private func read(_ number: Int, of name: CertificateName, in certificate: Folder) throws(StoreError) -> UntrustedCertificate? {
        guard let generations = try folder(FolderLayout.generationsFolder, in: certificate),
            let generation = try folder(String(number), in: generations),
            let chain = try bytes("fullchain.pem", in: generation), let description = try bytes("metadata.json", in: generation)
        else { return nil }
        let path = generation.path + "/metadata.json"
        let metadata = try CertificateMetadata(description, path: path)
        guard metadata.name == name else {
            throw StoreError(.damaged, path: path, message: "the metadata is for another certificate")
        }
        return UntrustedCertificate(name: name, metadata: metadata, chain: try CertificateChain(pem: chain))
    }

    /// A folder of the store's owner; `nil` if there is none.
    private func folder(_ name: String, in above: Folder) throws(StoreError) -> Folder? {
        let status: FileStatus, opened: Folder
        do throws(FileError) {
            opened = try above.folder(name)
            status = try opened.status()
        } catch {
            if error.isMissing { return nil }
            throw StoreError(error)
        }
        guard status.owner == owner else {
            throw UntrustedStore.refusal(.distrusted(path: opened.path, .owner(status.owner)))
        }
        return opened
    }

    private func bytes(_ name: String, in folder: Folder) throws(StoreError) -> [UInt8]? {
        let opened: File?
        do throws(OwnershipError) {
            opened = try folder.open(reading: name, as: Ownership(owner: .anybody, forbidden: 0, wantsOneName: true, judgesWay: false))
        } catch { throw UntrustedStore.refusal(error) }
        guard let opened else { return nil }
        let status: FileStatus
        do throws(FileError) { status = try opened.status() } catch { throw StoreError(error) }
        guard status.owner == owner else { throw UntrustedStore.refusal(.distrusted(path: opened.path, .owner(status.owner))) }
        do throws(FileError) { return try opened.read(limit: StoreFormat.maximumSize) } catch { throw StoreError(error) }
    }
}

/// A certificate as an unprivileged user has stored it.
public struct UntrustedCertificate: Sendable {
    public var name: CertificateName
    private var metadata: CertificateMetadata
    private var chain: CertificateChain

    init(name: CertificateName, metadata: CertificateMetadata, chain: CertificateChain) {
        self.name = name
        self.metadata = metadata
        self.chain = chain
    }

    /// Whether a trusted store has the same chain and the same key.
    public func isSame(as stored: StoredCertificate) -> Bool {
        // Installing puts a chain in order.
        stored.chain.leafDER == chain.leafDER && Set(stored.chain.der) == Set(chain.der)
            && stored.metadata.key.name == metadata.key.name
    }

    /// What a trusted store may take over, once the chain has been checked: the chain, encoded anew, and the name of its
    /// key. A server that loads the key file then made uses a key of the agent with the certificate's public key, or fails.
    /// Texts of the user's choice, such as the key's URI, which could name a module to load, are left out.
    /// - Parameters:
    ///   - declared: the names that it must have; `nil` if only its own name is known.
    ///   - anchors: the roots to which its chain must lead; `nil` if any chain will do.
    ///   - time: now, Unix seconds.
    /// - Throws: `StoreError` `.chainRefused`.
    public func checked(
        declared: [Identifier]?, anchors: TrustAnchors?, time: Int64
    ) async throws(StoreError) -> NewCertificate {
        // What else it names (URIs, mail addresses) no server uses.
        let identifiers = try chain.identifiers(ignoringOthers: true)
        guard let spki = chain.spki, Hexadecimal.encode(SHA256.hash(data: spki)) == metadata.key.fingerprint else {
            throw CertificatePEM.refuse("it is not for the key that its metadata names")
        }
        if declared == nil, !identifiers.contains(where: { CertificateName.spellings(for: $0).contains(name) }) {
            var error = CertificatePEM.refuse("it is not for \(name)")
            error.hint = "if this is right, list its names in a [[certificate]] with name = \"\(name)\""
            throw error
        }
        try chain.check(spki: spki, identifiers: declared ?? identifiers, ignoringOtherNames: true, time: time)
        if let anchors { try await check(anchors: anchors, time: time) }
        return NewCertificate(
            name: name, pem: chain.fullChainPEM, key: metadata.key.name, spki: spki, identifiers: declared ?? identifiers,
            ignoresOtherNames: true, directory: metadata.directory, time: time)
    }

    /// Checks that its chain leads to a root. For a copy that a trusted store has already: other roots may count now.
    /// - Throws: `StoreError` `.chainRefused`.
    public func check(anchors: TrustAnchors, time: Int64) async throws(StoreError) {
        guard time <= chain.notAfter else { throw CertificatePEM.refuse("it expired on \(RFC3339.string(chain.notAfter))") }
        guard await anchors.verify(chain) else {
            var error = CertificatePEM.refuse("its chain leads to none of the CAs that root trusts")
            error.hint =
                "if this is right, root-deploy-trust names a file with the root of its CA, or a [[certificate]] with "
                + "name = \"\(name)\" has its own root-deploy-hook"
            throw error
        }
    }
}
