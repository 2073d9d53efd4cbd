import ACME
import CertificateStore
import Foundation
import Issuance

/// Checks the file system.
enum FileTests {
    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
}

extension ChallengeSolver {
    /// An answer with a fixed thumbprint, with this solver's target.
    func answer(_ name: String = "www.example.org", token: String = "dG9rZW4") throws -> ChallengeAnswer {
        let identifier = try Identifier(argument: name), keyAuthorization = KeyAuthorization(token: token, thumbprint: "thumb")
        return ChallengeAnswer(
            type: type, identifier: identifier, keyAuthorization: keyAuthorization, target: target(of: identifier, keyAuthorization))
    }
}
