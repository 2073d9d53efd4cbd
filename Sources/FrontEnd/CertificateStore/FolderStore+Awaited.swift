import ACME

extension FolderStore {
    public func awaited(named name: CertificateName) async throws(StoreError) -> AwaitedCertificate? {
        let path = layout.awaited(name)
        guard let bytes = try files.read(path) else { return nil }
        do throws(StoreError) {
            let awaited = try AwaitedCertificate(bytes, path: path)
            guard awaited.name == name else { throw StoreError(.damaged, path: path, message: "the request is for another certificate") }
            return awaited
        } catch { throw error.advising("`acme-agent forget \(name) --order` drops the request and keeps the certificate") }
    }

    public func awaitedNames() async throws(StoreError) -> [CertificateName] {
        var result: [CertificateName] = []
        for file in try files.names(in: layout.awaitedFolder) where file.hasSuffix(".json") {
            if let name = try? CertificateName(String(file.dropLast(5))) { result.append(name) }
        }
        return result.sorted()
    }

    public func write(_ awaited: AwaitedCertificate) async throws(StoreError) {
        try makeFolder(layout.awaitedFolder)
        let path = layout.awaited(awaited.name)
        try files.replace(path, with: try awaited.encoded(for: path), mode: FolderLayout.privateFile)
    }

    public func removeAwaited(named name: CertificateName) async throws(StoreError) { try files.remove(layout.awaited(name)) }
}
