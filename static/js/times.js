// Pages where nothing else moves: times in the reader's own zone.

import { keepTimes } from "./lib/times.js";

keepTimes();
