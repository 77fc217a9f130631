<<<<<<<< HEAD:web/dist/assets/usePolled-Cna_1ygx.js
import{n as e}from"./rolldown-runtime-WkwZ5CU-.js";import{i as t}from"./react-DCTAcUCH.js";import{l as n}from"./dashboard-D03n0JT1.js";var r=e(t(),1);function i({isError:e,isSuccess:t}){let[i]=(0,r.useState)(()=>Symbol(`query`)),a=e?`waiting`:t?`live`:`connecting`;(0,r.useEffect)(()=>(n(i,a),()=>n(i,void 0)),[i,a])}export{i as t};
========
import{n as e}from"./rolldown-runtime-WkwZ5CU-.js";import{i as t}from"./react-DCTAcUCH.js";import{u as n}from"./dashboard-BvCzWPwv.js";var r=e(t(),1);function i({isError:e,isSuccess:t}){let[i]=(0,r.useState)(()=>Symbol(`query`)),a=e?`waiting`:t?`live`:`connecting`;(0,r.useEffect)(()=>(n(i,a),()=>n(i,void 0)),[i,a])}export{i as t};
>>>>>>>> 40e4b22 (dashboard: rooms, a room with everybody in it, and the node):web/dist/assets/usePolled-BeUERQS3.js
