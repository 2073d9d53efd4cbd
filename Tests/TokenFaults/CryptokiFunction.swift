import Foundation

/// A function of PKCS#11 that the helper calls, and what makes it call the function.
struct CryptokiFunction: Hashable {
    enum Occasion: Hashable {
        /// Requests that concern the token.
        case request
        /// A new helper: the old one is killed before each request.
        case start
        /// A token that could not be opened at first, which a new helper opens again.
        case reopening
        /// A session in which a signature failed.
        case failedSignature
        /// A key that is made in a token that forbids nothing by template, so that its uses are turned off afterwards.
        case smallTemplate
    }

    let name: String
    let occasion: Occasion

    private init(_ name: String, _ occasion: Occasion) {
        self.name = name
        self.occasion = occasion
    }

    static let all = [
        CryptokiFunction("C_CloseSession", .failedSignature),
        CryptokiFunction("C_DestroyObject", .request),
        CryptokiFunction("C_Finalize", .reopening),
        CryptokiFunction("C_FindObjects", .request),
        CryptokiFunction("C_FindObjectsFinal", .request),
        CryptokiFunction("C_FindObjectsInit", .request),
        CryptokiFunction("C_GenerateKeyPair", .request),
        CryptokiFunction("C_GenerateRandom", .start),
        CryptokiFunction("C_GetAttributeValue", .request),
        CryptokiFunction("C_GetFunctionList", .start),
        CryptokiFunction("C_GetInfo", .start),
        CryptokiFunction("C_GetMechanismInfo", .start),
        CryptokiFunction("C_GetMechanismList", .start),
        CryptokiFunction("C_GetSessionInfo", .start),
        CryptokiFunction("C_GetSlotInfo", .start),
        CryptokiFunction("C_GetSlotList", .start),
        CryptokiFunction("C_GetTokenInfo", .start),
        CryptokiFunction("C_Initialize", .start),
        CryptokiFunction("C_Login", .start),
        CryptokiFunction("C_OpenSession", .start),
        CryptokiFunction("C_SetAttributeValue", .smallTemplate),
        CryptokiFunction("C_Sign", .request),
        CryptokiFunction("C_SignInit", .request),
    ]

    /// Not in the table: the fault module does not have it, as most modules do not, and if it fails the helper calls
    /// C_GetFunctionList.
    private static let exempt: Set = ["C_GetInterface"]

    /// What the table lacks of the functions that the sources in `folder` call, and has too much; nil if that cannot be
    /// read.
    static func differences(from folder: String) -> (missing: Set<String>, unused: Set<String>)? {
        guard let files = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return nil }
        var used: Set<String> = []
        for file in files where file.hasSuffix(".swift") {
            guard let text = try? String(contentsOfFile: folder + "/" + file, encoding: .utf8) else { return nil }
            for match in text.matches(of: /(?:functions\.|dlsym\(library, ")(C_[A-Za-z]+)/) { used.insert(String(match.1)) }
        }
        guard !used.isEmpty else { return nil }
        let known = Set(all.map(\.name))
        return (used.subtracting(known).subtracting(exempt), known.subtracting(used))
    }
}
