import ACME
import Foundation
import Issuance

/// Looks at the file system.
enum FileTests {
    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
}

/// A challenge with a fixed thumbprint.
func challenge(_ name: String = "www.example.org", token: String = "dG9rZW4", type: ChallengeType = .http01) throws -> SolvableChallenge {
    SolvableChallenge(
        type: type, identifier: try Identifier(argument: name), keyAuthorization: KeyAuthorization(token: token, thumbprint: "thumb"))
}

extension ChallengeSolver {
    /// What a journal knows of the challenge.
    func presented(_ challenge: SolvableChallenge) -> PresentedChallenge {
        PresentedChallenge(
            type: challenge.type, identifier: challenge.identifier, target: target(of: challenge),
            keyAuthorization: challenge.keyAuthorization.text)
    }
}
