import ACME
import CertificateStore
import JOSE
import StrictJSON

/// lego's folder: `certificates/NAME.crt` with `NAME.json` beside it, and `accounts/SERVER/ID/account.json`. How names are
/// proven is in lego's command line, from version 5 on also in its configuration; neither is in this folder.
enum LegoInstallation {
    private static let longestChain = 256 * 1024
    private static let folder = "certificates"

    static func read(_ folder: ForeignFolder) throws(ForeignFault) -> ForeignInstallation {
        var found = ForeignInstallation()
        let names = try folder.names(in: Self.folder)
        let servers = servers(folder)
        for name in names where name.hasSuffix(".crt") && !name.hasSuffix(".issuer.crt") {
            found.add("\(Self.folder)/\(name)") { () throws(ForeignFault) in try certificate(String(name.dropLast(4)), servers, folder) }
        }
        // The certificate of an entry is lost; the others are reported above.
        for name in names where name.hasSuffix(".json") && !names.contains(name.dropLast(5) + ".crt") {
            found.damaged.append(("\(Self.folder)/\(name)", ForeignFault("its certificate does not exist")))
        }
        if !found.certificates.isEmpty {
            found.notes.append(
                "lego keeps neither challenges nor hooks here: they are options of its command line (--http, --tls, --dns, --run-hook, "
                    + "--renew-hook), from version 5 on also in .lego.yml. A hook gets the path of the private key in LEGO_CERT_KEY_PATH "
                    + "or LEGO_HOOK_CERT_KEY_PATH; what reads that file cannot be taken over.")
        }
        return found
    }

    /// The directories of the CAs where lego has accounts. Version 5 keeps them; before, their hosts are names of folders.
    private static func servers(_ folder: ForeignFolder) -> [ACMEURL] {
        var servers: [ACMEURL] = []
        for host in (try? folder.names(in: "accounts")) ?? [] {
            for account in (try? folder.names(in: "accounts/\(host)")) ?? [] {
                let path = "accounts/\(host)/\(account)/account.json"
                guard let bytes = try? folder.read(path, limit: ForeignInstallation.longestFile),
                    let object = try? JSONDocument(parsing: bytes).root.object(),
                    let server = try? object.optionalString("server"), let directory = try? ACMEURL(server)
                else { continue }
                if !servers.contains(directory) { servers.append(directory) }
            }
        }
        return servers
    }

    private static func certificate(
        _ name: String, _ servers: [ACMEURL], _ folder: ForeignFolder
    ) throws(ForeignFault) -> ForeignCertificate? {
        let path = "\(Self.folder)/\(name).crt"
        guard let pem = try folder.read(path, limit: longestChain) else { return nil }
        let (names, keyType) = try ForeignInstallation.content(pem)
        var certificate = ForeignCertificate(
            source: "\(folder.path)/\(path)", name: CertificateName(names[0]), names: names, keyType: keyType)
        let bytes: [UInt8]?
        do throws(ForeignFault) { bytes = try folder.read("\(Self.folder)/\(name).json", limit: ForeignInstallation.longestFile) } catch {
            throw ForeignFault("\(name).json \(error.reason)")
        }
        if let bytes {
            do throws(JSONError) { try add(JSONDocument(parsing: bytes).root.object(), servers, to: &certificate) } catch {
                throw ForeignFault("\(name).json is damaged: \(error)")
            }
        }
        if !names.contains(where: \.isWildcard) {
            certificate.notes.append(
                "Without a setting for challenges here, the general ones of acme-agent.toml prove the names: by default a listener on "
                    + "port 80.")
        }
        return certificate
    }

    private static func add(
        _ object: JSONObject, _ servers: [ACMEURL], to certificate: inout ForeignCertificate
    ) throws(JSONError) {
        if let chain = try object.optionalString("preferredChain") { certificate.settings.append(.init("preferred-chain", .text(chain))) }
        if let profile = try object.optionalString("profile") { certificate.settings.append(.init("profile", .text(profile))) }
        let types = ["EC256": "P-256", "EC384": "P-384", "RSA2048": "RSA-2048", "RSA3072": "RSA-3072", "RSA4096": "RSA-4096"]
        if let type = try object.optionalString("keyType"), !type.isEmpty {
            certificate.addKeyType(types[type.uppercased()] ?? "", called: "lego's type \(type)")
        }
        // The certificate's URL is at the CA that issued it.
        let urls = [try object.optionalString("certStableUrl"), try object.optionalString("certUrl")]
        guard let url = urls.compactMap({ $0.flatMap { try? ACMEURL($0) } }).first else { return }
        certificate.ca = ForeignInstallation.ca(of: url, among: servers)
    }
}
