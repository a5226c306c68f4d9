/**
 * Middleware for servers: logging, authentication by tokens and by shared secrets, rates, access rules and validation.
 * @module millrace/middleware
 */
export { type AccessMiddleware, type AccessOptions, access } from "./access.js";
export type { AccessRules, SubjectRules } from "./access_rules.js";
export { type JwtMiddleware, jwt } from "./jwt.js";
export type { Jwk, JwtClaims, JwtKey, JwtOptions } from "./jwt_options.js";
export {
  type LogFields,
  type LogFunction,
  type Logger,
  type LoggingMiddleware,
  type LoggingOptions,
  type LogLevel,
  logging,
} from "./logging.js";
export { type RateLimitMiddleware, type RateLimitOptions, rateLimit } from "./rate_limit.js";
export { type Secret, type Secrets, type SharedSecretOptions, sharedSecret } from "./shared_secret.js";
export type { StandardIssue, StandardResult, StandardSchema } from "./standard_schema.js";
export type { ClaimOutcome, UsedTokens } from "./used_tokens.js";
export { type ValidationMiddleware, type ValidationOptions, validation } from "./validation.js";
