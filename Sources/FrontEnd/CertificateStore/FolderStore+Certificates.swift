import ACME
import Crypto
import Glibc
import JOSE

extension FolderStore {
    public func certificateNames() async throws(StoreError) -> [CertificateName] {
        var result: [CertificateName] = []
        for folder in try files.names(in: layout.certificates) {
            if let name = try? CertificateName(folder), files.target(of: layout.current(name)) != nil { result.append(name) }
        }
        return result.sorted()
    }

    public func certificate(named name: CertificateName) async throws(StoreError) -> StoredCertificate? {
        guard let number = try currentGeneration(name) else { return nil }
        let folder = layout.generation(name, number)
        func required(_ file: String) throws(StoreError) -> [UInt8] {
            guard let bytes = try files.read("\(folder)/\(file)") else {
                throw StoreError(.damaged, path: "\(folder)/\(file)", message: "a file of the certificate is missing")
            }
            return bytes
        }
        let metadata = try CertificateMetadata(try required("metadata.json"), path: folder + "/metadata.json")
        guard metadata.name == name, metadata.generation == number else {
            throw StoreError(.damaged, path: folder + "/metadata.json", message: "the metadata of another certificate")
        }
        let chain: CertificateChain
        do { chain = try CertificateChain(pem: try required("fullchain.pem")) } catch {
            throw error.reason == .chainRefused ? StoreError(.damaged, path: folder + "/fullchain.pem", message: error.message) : error
        }
        let state = try state(name)
        return StoredCertificate(
            name: name, metadata: metadata, chain: chain, deployedGeneration: state.deployed, revokedGeneration: state.revoked,
            folder: layout.certificate(name))
    }

    public func install(_ new: NewCertificate) async throws(StoreError) -> StoredCertificate {
        let chain = try CertificateChain(pem: new.pem)
        try chain.check(spki: new.spki, identifiers: new.identifiers, time: new.time)
        try makeFolders(new.name)
        let number = try (generations(new.name).last ?? 0) + 1
        let metadata = CertificateMetadata(
            name: new.name, generation: number, identifiers: new.identifiers,
            key: KeyReference(name: new.key, uri: new.keyURI, fingerprint: Hexadecimal.encode(SHA256.hash(data: new.spki))),
            directory: new.directory,
            account: new.account, order: new.order, certificate: new.certificate, profile: new.profile,
            serial: Hexadecimal.encode(chain.serialNumber), notBefore: chain.notBefore, notAfter: chain.notAfter, installed: new.time)
        // Of a generation that is not the current one this says nothing yet.
        var state = try state(new.name)
        if new.isDeployed { state.deployed = number }
        try writeGeneration(metadata, chain, state: new.isDeployed ? state : nil)
        // From one moment to the next, for all files.
        try files.link(layout.current(new.name), to: "generations/\(number)")
        // The new certificate is in place: that old ones could not be removed is no failure of installing it.
        try? removeOldGenerations(new.name, current: number)
        return StoredCertificate(
            name: new.name, metadata: metadata, chain: chain, deployedGeneration: state.deployed, revokedGeneration: state.revoked,
            folder: layout.certificate(new.name))
    }

    public func prepare(_ name: CertificateName) async { try? makeFolders(name) }

    private func makeFolders(_ name: CertificateName) throws(StoreError) { try files.makeFolder(layout.generations(name)) }

    /// Writes the five files beside the others and gives their folder its name once all of them are on the disk.
    /// - Parameter state: written with them, where it changes.
    private func writeGeneration(
        _ metadata: CertificateMetadata, _ chain: CertificateChain, state: CertificateState?
    ) throws(StoreError) {
        let name = metadata.name
        let interim = layout.generations(name) + "/.new"
        let interimState = "\(layout.certificate(name))/.state.json.new"
        try files.removeTree(interim)
        let description = try metadata.encoded(for: interim + "/metadata.json")
        let contents = [chain.leafPEM, chain.issuersPEM, chain.fullChainPEM, chain.leafDER, description]
        var new = zip(FolderLayout.files, contents).map { (path: "\(interim)/\($0)", bytes: $1) }
        if let state { new.append((interimState, try state.encoded(for: layout.state(name)))) }
        do throws(StoreError) {
            guard mkdir(interim, 0o755) == 0 else { throw .system("mkdir", interim, errno) }
            try files.create(new, mode: 0o644)
            try files.synchronize(folder: interim)
            guard files.system.rename(interim, layout.generation(name, metadata.generation)) == 0 else {
                throw .system("rename", layout.generation(name, metadata.generation), errno)
            }
            if state != nil {
                guard files.system.rename(interimState, layout.state(name)) == 0 else {
                    throw .system("rename", layout.state(name), errno)
                }
            }
            try makeLinks(name)
        } catch {
            try? files.removeTree(interim)
            unlink(interimState)
            throw error
        }
        try files.synchronize(folder: layout.generations(name))
        try files.synchronize(folder: layout.certificate(name))
    }

    /// Durable when the certificate's folder is synced.
    private func makeLinks(_ name: CertificateName) throws(StoreError) {
        for file in FolderLayout.files {
            let path = "\(layout.certificate(name))/\(file)"
            if files.target(of: path) != "current/\(file)" { try files.linkUnsynced(path, to: "current/\(file)") }
        }
    }

    /// The generations' numbers, ascending.
    private func generations(_ name: CertificateName) throws(StoreError) -> [Int] {
        try files.names(in: layout.generations(name)).compactMap { Int($0) }.filter { $0 > 0 && $0 < .max }.sorted()
    }

    private func currentGeneration(_ name: CertificateName) throws(StoreError) -> Int? {
        guard let target = files.target(of: layout.current(name)) else { return nil }
        guard let number = FolderLayout.number(ofTarget: target) else {
            throw StoreError(.damaged, path: layout.current(name), message: "the link to the current generation points elsewhere")
        }
        return number
    }

    private func removeOldGenerations(_ name: CertificateName, current: Int) throws(StoreError) {
        for number in try generations(name).filter({ $0 < current }).dropLast(FolderLayout.olderGenerations) {
            try files.removeTree(layout.generation(name, number))
        }
    }

    public func markDeployed(_ name: CertificateName, generation: Int) async throws(StoreError) {
        try change(name) { $0.deployed = generation }
    }

    public func markRevoked(_ name: CertificateName, generation: Int) async throws(StoreError) {
        try change(name) { $0.revoked = generation }
    }

    private func change(_ name: CertificateName, _ body: (inout CertificateState) -> Void) throws(StoreError) {
        guard try currentGeneration(name) != nil else { throw notFound(name) }
        var state = try state(name)
        body(&state)
        try files.replace(layout.state(name), with: try state.encoded(for: layout.state(name)), mode: 0o644)
    }

    private func state(_ name: CertificateName) throws(StoreError) -> CertificateState {
        let path = layout.state(name)
        return try files.read(path).map { (bytes) throws(StoreError) in try CertificateState(bytes, path: path) } ?? CertificateState()
    }

    public func removeCertificate(named name: CertificateName) async throws(StoreError) {
        // First out of sight in one step, then piece by piece; a remainder of an earlier run goes with it.
        let interim = "\(layout.certificates)/.removed-\(name.rawValue)"
        try files.removeTree(interim)
        guard files.system.rename(layout.certificate(name), interim) == 0 else {
            throw errno == ENOENT ? notFound(name) : .system("rename", layout.certificate(name), errno)
        }
        try files.synchronize(folder: layout.certificates)
        try files.removeTree(interim)
    }

    private func notFound(_ name: CertificateName) -> StoreError {
        StoreError(.notFound, path: layout.certificate(name), message: "there is no certificate \"\(name)\"")
    }
}
