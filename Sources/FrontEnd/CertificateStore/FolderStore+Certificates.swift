import ACME
import Crypto
import DurableFile
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
        do throws(StoreError) { return try read(name) } catch {
            throw error.advising("restore it from a backup; or run `acme-agent forget \(name)`, which keeps the key, and issue it again")
        }
    }

    private func read(_ name: CertificateName) throws(StoreError) -> StoredCertificate? {
        guard var number = try currentGeneration(name) else { return nil }
        while true {
            do throws(StoreError) { return try read(name, number) } catch {
                // While this process waited, others may have installed so many that this generation was removed.
                guard let now = try currentGeneration(name), now != number else { throw error }
                number = now
            }
        }
    }

    public func earlierGenerations(of name: CertificateName) async throws(StoreError) -> [StoredCertificate] {
        guard let current = try currentGeneration(name) else { return [] }
        return try generations(name).filter { $0 < current }.compactMap { try? read(name, $0) }
    }

    private func read(_ name: CertificateName, _ number: Int) throws(StoreError) -> StoredCertificate {
        let folder = layout.generation(name, number)
        func required(_ file: String) throws(StoreError) -> [UInt8] {
            guard let bytes = try files.read("\(folder)/\(file)") else {
                throw StoreError(.damaged, path: "\(folder)/\(file)", message: "a file of the certificate is missing")
            }
            return bytes
        }
        let metadata = try CertificateMetadata(try required("metadata.json"), path: folder + "/metadata.json")
        guard metadata.name == name, metadata.generation == number else {
            throw StoreError(.damaged, path: folder + "/metadata.json", message: "the metadata is for another certificate")
        }
        let chain: CertificateChain
        do { chain = try CertificateChain(storedPEM: try required("fullchain.pem")) } catch {
            throw error.reason == .chainRefused ? StoreError(.damaged, path: folder + "/fullchain.pem", message: error.message) : error
        }
        let state = try state(name)
        return StoredCertificate(
            name: name, metadata: metadata, chain: chain, deployedGeneration: state.deployed, revokedGeneration: state.revoked,
            folder: layout.certificate(name))
    }

    public func install(_ new: NewCertificate) async throws(StoreError) -> StoredCertificate {
        let chain = try CertificateChain(pem: new.pem).check(
            spki: new.spki, identifiers: new.identifiers, ignoringOtherNames: new.ignoresOtherNames, time: new.time)
        try makeFolders(new.name)
        let number = try (generations(new.name).last ?? 0) + 1
        let metadata = CertificateMetadata(
            name: new.name, generation: number, identifiers: new.identifiers,
            key: KeyReference(name: new.key, uri: new.keyURI, fingerprint: Hexadecimal.encode(SHA256.hash(data: new.spki))),
            directory: new.directory,
            account: new.account, order: new.order, certificate: new.certificate, profile: new.profile,
            serial: Hexadecimal.encode(chain.serialNumber), notBefore: chain.notBefore, notAfter: chain.notAfter, installed: new.time)
        // Has no effect until this generation is the current one.
        var state = try state(new.name)
        if new.isDeployed { state.deployed = number }
        let keyFile = KeyFile.encode(name: new.key.rawValue, socket: socket, spki: new.spki)
        try writeGeneration(metadata, chain, keyFile: keyFile, state: new.isDeployed ? state : nil)
        // Atomic for all files.
        try files.link(layout.current(new.name), to: "generations/\(number)")
        files.touch(layout.installationSignal, mode: FolderLayout.publicFile)
        // The new certificate is installed: failing to remove old ones is not an error.
        try? removeOldGenerations(new.name, current: number)
        return StoredCertificate(
            name: new.name, metadata: metadata, chain: chain, deployedGeneration: state.deployed, revokedGeneration: state.revoked,
            folder: layout.certificate(new.name))
    }

    public func prepare(_ name: CertificateName) async { try? makeFolders(name) }

    public func withdraw(_ name: CertificateName) async {
        // The kernel removes only empty folders: a certificate is not affected.
        guard let certificates = try? Folder(layout.certificates, calls: files.calls),
            let certificate = try? certificates.folder(name.rawValue)
        else { return }
        try? certificate.removeFolder(FolderLayout.generationsFolder)
        try? certificates.removeFolder(name.rawValue)
    }

    private func makeFolders(_ name: CertificateName) throws(StoreError) {
        try makeFolder(layout.generations(name), mode: FolderLayout.publicFolder)
    }

    /// Writes the files to a new folder and renames it once all of them are on disk.
    /// - Parameter state: written with them, if it changes.
    private func writeGeneration(
        _ metadata: CertificateMetadata, _ chain: CertificateChain, keyFile: [UInt8], state: CertificateState?
    ) throws(StoreError) {
        let name = metadata.name
        let description = try metadata.encoded(for: layout.generation(name, metadata.generation) + "/metadata.json")
        let contents = [chain.leafPEM, chain.issuersPEM, chain.fullChainPEM, chain.leafDER, description]
        // Below the certificate's folder.
        let generations = FolderLayout.generationsFolder, interim = FolderLayout.newGeneration
        let interimState = Folder.interim(FolderLayout.stateFile)
        var new = zip(FolderLayout.files, contents).map {
            (name: "\(generations)/\(interim)/\($0)", bytes: $1, mode: FolderLayout.publicFile)
        }
        let keyFileName = "\(generations)/\(interim)/\(FolderLayout.keyFile)"
        new.append((keyFileName, keyFile, FolderLayout.keyFileMode))
        if let state { new.append((interimState, try state.encoded(for: layout.state(name)), FolderLayout.publicFile)) }
        try files.stored { () throws(FileError) in
            let certificate = try Folder(layout.certificate(name), calls: files.calls)
            let inner = try certificate.folder(generations)
            try inner.removeTree(interim, depth: FolderLayout.depth)
            do throws(FileError) {
                try inner.makeFolder(interim, mode: FolderLayout.publicFolder)
                try certificate.write(new, groups: keyFileGroup.map { [keyFileName: $0] } ?? [:])
                try inner.folder(interim).synchronize()
                try inner.rename(interim, to: String(metadata.generation))
                if state != nil { try certificate.rename(interimState, to: FolderLayout.stateFile) }
                // Durable when the certificate's folder is synced.
                for file in FolderLayout.files + [FolderLayout.keyFile] where certificate.target(ofLink: file) != "current/\(file)" {
                    try certificate.link(file, to: "current/\(file)")
                }
            } catch {
                try? inner.removeTree(interim, depth: FolderLayout.depth)
                _ = try? certificate.remove(interimState)
                throw error
            }
            try inner.synchronize()
            try certificate.synchronize()
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
        let old = try generations(name).filter { $0 < current }.dropLast(FolderLayout.olderGenerations)
        try files.stored { () throws(FileError) in
            let folder = try Folder(layout.generations(name), calls: files.calls)
            for number in old { try folder.removeTree(String(number), depth: FolderLayout.depth) }
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
        try files.replace(layout.state(name), with: try state.encoded(for: layout.state(name)), mode: FolderLayout.publicFile)
    }

    private func state(_ name: CertificateName) throws(StoreError) -> CertificateState {
        let path = layout.state(name)
        return try files.read(path).map { (bytes) throws(StoreError) in try CertificateState(bytes, path: path) } ?? CertificateState()
    }

    public func removeCertificate(named name: CertificateName) async throws(StoreError) {
        // Hide it in one step, then remove it piece by piece, with what an earlier run left.
        let interim = FolderLayout.removed(name)
        do throws(FileError) {
            let folder = try Folder(layout.certificates, calls: files.calls)
            let hasLeftover = (try? FileStatus(at: layout.certificates + "/" + interim)) != nil
            try folder.removeTree(interim, depth: FolderLayout.depth)
            do throws(FileError) { try folder.rename(name.rawValue, to: interim) } catch {
                guard error.isMissing, hasLeftover else { throw error }
            }
            try folder.synchronize()
            try folder.removeTree(interim, depth: FolderLayout.depth)
        } catch {
            throw error.isMissing ? notFound(name) : StoreError(error)
        }
    }

    /// What exists of a certificate, by file names alone: also if it cannot be read, or its removal was interrupted.
    public func traces(of name: CertificateName) -> StoreTraces {
        func isThere(_ path: String) -> Bool { (try? FileStatus(at: path)) != nil }
        return StoreTraces(
            certificate: isThere(layout.certificate(name)) || isThere("\(layout.certificates)/\(FolderLayout.removed(name))"),
            isInstalled: isThere(layout.current(name)),
            order: isThere(layout.order(name)) || isThere("\(layout.orders)/\(Folder.interim("\(name.rawValue).json"))"),
            request: isThere(layout.awaited(name)) || isThere("\(layout.awaitedFolder)/\(Folder.interim("\(name.rawValue).json"))"))
    }

    /// The keys of all stored generations whose files can be read.
    public func keyNames(of name: CertificateName) -> Set<KeyName> {
        var keys: Set<KeyName> = []
        for number in (try? generations(name)) ?? [] {
            let path = layout.generation(name, number) + "/metadata.json"
            guard let bytes = try? files.read(path), let metadata = try? CertificateMetadata(bytes, path: path) else { continue }
            keys.insert(metadata.key.name)
        }
        return keys
    }

    private func notFound(_ name: CertificateName) -> StoreError {
        StoreError(.notFound, path: layout.certificate(name), message: "there is no certificate \"\(name)\"")
    }
}
