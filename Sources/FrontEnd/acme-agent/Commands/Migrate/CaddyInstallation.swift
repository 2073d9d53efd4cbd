import ACME
import CertificateStore
import JOSE
import StrictJSON

/// Caddy's storage: `certificates/CA/NAME/NAME.crt` with `NAME.json` beside it. How names are proven is in Caddy's
/// configuration, if it is not by Caddy's own listeners.
enum CaddyInstallation {
    private static let longestChain = 256 * 1024
    private static let folder = "certificates"
    /// Of the CA that Caddy is itself.
    private static let ownCA = "local"

    static func read(_ folder: ForeignFolder) throws(ForeignFault) -> ForeignInstallation {
        var found = ForeignInstallation(), hasOwn = false
        for ca in try folder.names(in: Self.folder) {
            let names: [String]
            do throws(ForeignFault) { names = try folder.names(in: "\(Self.folder)/\(ca)") } catch {
                found.damaged.append(("\(Self.folder)/\(ca)", error))
                continue
            }
            if ca == ownCA {
                hasOwn = !names.isEmpty
                continue
            }
            for name in names {
                let path = "\(Self.folder)/\(ca)/\(name)/\(name)"
                found.add("\(path).crt") { () throws(ForeignFault) in try certificate(path, folder) }
            }
        }
        if hasOwn {
            found.notes.append("Certificates of Caddy's own CA (\(Self.folder)/\(ownCA)) are left out: no ACME CA issues them.")
        }
        if !found.certificates.isEmpty {
            found.notes.append(
                "Caddy cannot use a key in the token: it needs the key's file. Another server must serve TLS in front of it, or in its "
                    + "place; moving.md, \"Caddy\", has the steps.")
            found.notes.append(
                "Caddy answers challenges on its own ports 80 and 443, unless its configuration says otherwise (acme_dns, tls { dns … }), "
                    + "which is not in this folder.")
        }
        return found
    }

    /// - Parameter path: without its ending.
    private static func certificate(_ path: String, _ folder: ForeignFolder) throws(ForeignFault) -> ForeignCertificate? {
        // A name whose order has failed has a folder without files.
        guard let pem = try folder.read("\(path).crt", limit: longestChain) else {
            guard folder.hasEntry("\(path).json") else { return nil }
            throw ForeignFault("does not exist, and its .json does")
        }
        let (names, keyType) = try ForeignInstallation.content(pem)
        var certificate = ForeignCertificate(
            source: "\(folder.path)/\(path).crt", name: CertificateName(names[0]), names: names, keyType: keyType)
        let bytes: [UInt8]?
        do throws(ForeignFault) { bytes = try folder.read("\(path).json", limit: ForeignInstallation.longestFile) } catch {
            throw ForeignFault("has a .json that \(error.reason)")
        }
        if let bytes {
            do throws(JSONError) { certificate.ca = try ca(JSONDocument(parsing: bytes).root.object()) } catch {
                throw ForeignFault("has a .json that is damaged: \(error)")
            }
        }
        if !names.contains(where: \.isWildcard) {
            certificate.notes.append(
                "Without a setting for challenges here, the general ones of acme-agent.toml prove the names: by default a listener on "
                    + "port 80, which Caddy may hold.")
        }
        return certificate
    }

    /// Caddy 2.7 and later keep the CA's directory; before, there is the certificate's URL at the CA.
    private static func ca(_ object: JSONObject) throws(JSONError) -> ForeignCertificate.CA {
        guard let issuer = try object.optionalObject("issuer_data") else { return .unknown }
        if let text = try issuer.optionalString("ca"), let directory = try? ACMEURL(text) { return .directory(directory) }
        guard let text = try issuer.optionalString("url"), let url = try? ACMEURL(text) else { return .unknown }
        return ForeignInstallation.ca(of: url)
    }
}
